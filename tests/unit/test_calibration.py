"""Versioned calibration files; a thermometer against a reference: is it steady, and the line."""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.errors import ConfigError, StorageError
from gated.sensors.calibration import Agreement, Calibration, CalibrationFolder, ReferencePoint
from gated.sensors.compensation import CompensationRules, DeviceCalibration, skin_c
from gated.sensors.port import Traits
from gated.sensors.two_point import (
    GAIN_MAX,
    GAIN_MIN,
    Look,
    NotCalibrated,
    Steadiness,
    Unsteady,
    Window,
    fit,
)
from gated.units import MonoSeconds

DCI = Traits(fov_deg=5.0, settle_s=0.65, noise_c=0.10, supply_error_c=0.0)


def calibration(version: int = 1, **changes: object) -> Calibration:
    return Calibration.model_validate(
        {
            "thermometer": "child",
            "version": version,
            "chip_id": "123456789abcdef0",
            "made_at": "2026-11-23T08:00:00+08:00",
            "made_by": "cli:wang",
            **changes,
        }
    )


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> CalibrationFolder:
    return CalibrationFolder(tmp_path / "calibrations")


def test_without_a_folder_there_is_no_calibration(folder: CalibrationFolder) -> None:
    assert folder.versions("child") == []
    assert folder.load("child") is None


def test_the_newest_version_is_in_force_and_the_others_stay(folder: CalibrationFolder) -> None:
    for version in (1, 2, 10):
        folder.save(calibration(version, gain=1 + version / 1_000))
    folder.save(calibration().model_copy(update={"thermometer": "child-2"}))
    assert folder.versions("child") == [1, 2, 10]
    newest, second = folder.load("child"), folder.load("child", 2)
    assert newest is not None
    assert (newest.name, newest.gain) == ("child.10", 1.01)
    assert second == calibration(2, gain=1.002)
    assert folder.load("child", 3) is None


def test_what_is_saved_is_what_is_loaded(folder: CalibrationFolder) -> None:
    point = ReferencePoint(reference_c=33.0, shown_c=33.4, sd_c=0.1, samples=60)
    agreed = Agreement(pairs=34, bias_c=-0.2, sd_c=0.6, loa_low_c=-1.4, loa_high_c=1.0)
    whole = calibration(points=(point,), site_a_c=5.4, site_b=0.146, agreement=agreed, note="x")
    folder.save(whole)
    assert folder.load("child") == whole


def test_a_version_is_never_replaced(folder: CalibrationFolder) -> None:
    folder.save(calibration(gain=1.01))
    with pytest.raises(StorageError, match="somebody else calibrated meanwhile"):
        folder.save(calibration(gain=1.02))
    assert folder.load("child") == calibration(gain=1.01)
    assert [entry.name for entry in folder.path.iterdir()] == ["child.1.json"]


def test_the_gates_user_can_read_what_a_careful_root_wrote(folder: CalibrationFolder) -> None:
    before = os.umask(0o077)
    try:
        path = folder.save(calibration())
    finally:
        os.umask(before)
    assert folder.path.stat().st_mode & 0o777 == 0o755
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_version_that_cannot_be_written_leaves_nothing(folder: CalibrationFolder) -> None:
    folder.path.parent.chmod(0o700)
    folder.path.write_text("no folder")
    with pytest.raises(StorageError, match="cannot write"):
        folder.save(calibration())
    folder.path.unlink()
    target = folder.path.parent / "elsewhere"
    target.mkdir()
    folder.path.symlink_to(target)  # as somebody with the gate's account could
    with pytest.raises(StorageError, match="cannot write"):
        folder.save(calibration())
    assert list(target.iterdir()) == []


def test_a_folder_that_is_not_there_is_told_before_anybody_measures(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such folder"):
        CalibrationFolder(tmp_path / "no" / "calibrations").check_writable()
    CalibrationFolder(tmp_path / "calibrations").check_writable()


def test_a_damaged_newest_version_is_an_error_and_no_older_one_steps_in(
    folder: CalibrationFolder,
) -> None:
    folder.save(calibration(1))
    (folder.path / "child.2.json").write_text('{"v": 1, "thermometer": "child"')
    with pytest.raises(ConfigError, match="gated calibrate revert child"):
        folder.load("child")
    assert folder.load("child", 1) is not None


def test_a_file_under_another_name_is_refused(folder: CalibrationFolder) -> None:
    folder.save(calibration(1))
    (folder.path / "child.1.json").rename(folder.path / "child.2.json")
    with pytest.raises(ConfigError, match=r"says that it is child\.1"):
        folder.load("child")


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(
    folder: CalibrationFolder,
) -> None:
    folder.path.write_text("")
    with pytest.raises(ConfigError, match="calibrations"):
        folder.load("child")


@pytest.mark.parametrize("gain", [0.0, -1.0, float("nan"), float("inf"), 2.0])
def test_no_file_can_turn_hotter_into_colder(gain: float) -> None:
    with pytest.raises(ValueError, match="gain"):
        calibration(gain=gain)


# --- is it steady? -------------------------------------------------------------------------------

LIMITS = Steadiness.of(DCI, max_die_c_per_min=0.2)


def window(  # what a minute's looks at 33 °C give
    *,
    error_c: float = 0.3,
    noise_c: float = 0.1,
    drift_c_per_min: float = 0.0,
    plate_c_per_min: float = 0.0,
    die_c_per_min: float = 0.0,
    count: int = 93,
    wanted_c: float | None = None,
) -> Window:
    chance, filled = random.Random(7), Window(LIMITS, wanted_c)
    for number in range(count):
        minutes = number * LIMITS.period_s / 60
        reference_c = 33.0 + plate_c_per_min * minutes
        shown_c = reference_c + error_c + drift_c_per_min * minutes + chance.gauss(0.0, noise_c)
        die_c = round((25.0 + die_c_per_min * minutes) / 0.02) * 0.02
        filled.feed(Look(shown_c, reference_c, die_c, MonoSeconds(100 + minutes * 60)))
    return filled


def test_a_steady_reading_is_a_point() -> None:
    steady = window()
    assert steady.unsteady() is None
    point = steady.point()
    assert (point.reference_c, point.samples) == (33.0, 93)
    assert point.shown_c == pytest.approx(33.3, abs=4 * 0.1 / 93**0.5)
    assert point.sd_c == pytest.approx(0.1, rel=0.35)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (window(count=92), Unsteady.FEW),
        (window(error_c=2.5), Unsteady.FAR),
        (window(error_c=-7.0, count=3), Unsteady.FAR),
        (window(error_c=-7.0, drift_c_per_min=-1.0), Unsteady.DRIFT),
        (window(error_c=float("nan")), Unsteady.FAR),
        (window(drift_c_per_min=0.3), Unsteady.DRIFT),
        (window(drift_c_per_min=-0.3), Unsteady.DRIFT),
        (window(noise_c=0.4), Unsteady.NOISE),
        (window(die_c_per_min=0.5), Unsteady.DIE),
        (window(wanted_c=38.0), Unsteady.PLATE),
        (window(plate_c_per_min=1.0), Unsteady.PLATE),
        (Window(LIMITS), Unsteady.FEW),
    ],
)
def test_what_is_not_steady_is_no_point(seen: Window, why: Unsteady) -> None:
    assert seen.unsteady() is why


def test_a_plate_that_cools_slowly_does_no_harm_while_its_own_sensor_says_so() -> None:
    assert window(plate_c_per_min=-0.25).unsteady() is None


def test_ordinary_noise_is_seldom_taken_for_a_drift() -> None:
    refused = 0
    for seed in range(200):
        chance, seen = random.Random(seed), Window(LIMITS)
        for number in range(93):
            at = MonoSeconds(number * 0.65)
            seen.feed(Look(33.3 + chance.gauss(0.0, 0.1), 33.0, 25.0, at))
        refused += seen.unsteady() is not None
    assert refused < 10


# --- the line ------------------------------------------------------------------------------------


def point(reference_c: float, shown_c: float) -> ReferencePoint:
    return ReferencePoint(reference_c=reference_c, shown_c=shown_c, sd_c=0.1, samples=60)


def test_two_points_give_the_line_through_them() -> None:
    line = fit([point(33.0, 33.4), point(38.0, 38.5)])
    assert line.gain == pytest.approx(5.0 / 5.1)
    assert [line.gain * s + line.offset_c for s in (33.4, 38.5)] == pytest.approx([33.0, 38.0])
    assert line.residuals_c == pytest.approx((0.0, 0.0), abs=1e-9)


def test_one_point_sets_the_offset_only() -> None:
    line = fit([point(35.0, 35.4)])
    assert line.gain == 1.0
    assert line.offset_c == pytest.approx(-0.4)


def test_more_points_are_fitted_and_say_how_well() -> None:
    line = fit([point(33.0, 33.4), point(35.5, 35.95), point(38.0, 38.4)])
    assert line.gain == pytest.approx(1.0, abs=0.01)
    assert max(map(abs, line.residuals_c)) == pytest.approx(0.033, abs=0.005)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], "no point"),
        ([point(33.0, 33.4), point(35.0, 35.4)], "2.0 °C apart"),
        ([point(33.0, 33.0), point(38.0, 38.0), point(35.5, 36.0)], "do not lie on one line"),
        ([point(33.0, 33.0), point(38.0, 38.3)], "a gain of 0.943 is outside"),
        ([point(33.0, 30.9)], "no matter of calibration"),
        ([point(33.0, 33.0), point(38.0, 33.0)], "no matter of calibration"),
    ],
)
def test_what_no_sound_thermometer_shows_is_refused(
    points: list[ReferencePoint], words: str
) -> None:
    with pytest.raises(NotCalibrated, match=words):
        fit(points)


@given(
    st.lists(st.tuples(st.floats(28.0, 45.0), st.floats(-2.5, 2.5)), min_size=1, max_size=5),
    st.lists(st.floats(20.0, 45.0), min_size=2, max_size=6),
)
def test_calibrating_never_makes_hotter_read_colder(
    measured: list[tuple[float, float]], objects_c: list[float]
) -> None:
    try:
        line = fit([point(reference, reference + error) for reference, error in measured])
    except NotCalibrated:
        return
    assert GAIN_MIN <= line.gain <= GAIN_MAX
    rules = CompensationRules(
        calibration=DeviceCalibration("child.1", line.gain, line.offset_c, "x")
    )
    skins = [skin_c(object_c, 22.0, 0.18, rules) for object_c in sorted(objects_c)]
    assert all(colder <= hotter for colder, hotter in itertools.pairwise(skins))
