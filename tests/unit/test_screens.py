"""Rendered camera frames: what the demonstration and the tests hold before the scanner."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gated.errors import DeviceError
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.motion import differs, sample_frame
from gated.scanner.picture import encode_picture, enlarge
from gated.simulation.screens import (
    Hold,
    Shown,
    add_noise,
    fit_photo,
    render_empty,
    render_paper,
    render_phone,
    render_shown,
)
from gated.vocabulary import CodeColour

FRAME = (720, 1280, 3)


def test_the_same_arguments_give_the_same_frame() -> None:
    assert np.array_equal(render_phone("A", seed=5), render_phone("A", seed=5))
    assert np.array_equal(render_empty(5), render_empty(5))
    assert not np.array_equal(render_empty(5), render_empty(6))


def test_every_frame_is_a_cameras_frame() -> None:
    for frame in (render_phone("A"), render_paper("A"), render_empty(0)):
        assert frame.shape == FRAME
        assert frame.dtype == np.uint8


@pytest.mark.parametrize("seed", range(4))
def test_paper_and_phones_can_be_read(seed: int) -> None:
    cascade = Cascade(load_decoders()[0])
    hold = Hold(tilt_deg=20, unsharp_px=1.0)
    assert cascade.decode_picture(render_paper("访客 1", seed, hold)).texts == ("访客 1",)
    phone = render_phone("访客 2", CodeColour.RED, seed, hold)
    assert cascade.decode_picture(phone).texts == ("访客 2",)


def test_somebody_who_holds_something_up_is_motion_and_noise_is_none() -> None:
    place = render_empty(7)
    assert not differs(sample_frame(place), sample_frame(add_noise(place, 1)))
    assert differs(sample_frame(place), sample_frame(render_phone("A", seed=7)))


def test_noise_changes_every_frame_a_little_and_stays_in_range() -> None:
    place = np.full(FRAME, 250, np.uint8)
    first, second = add_noise(place, 1), add_noise(place, 2)
    assert not np.array_equal(first, second)
    assert int(first.min()) >= 248
    assert int(first.max()) <= 255


@pytest.mark.parametrize(
    "hold",
    [
        Hold(brightness=0.5, veil_levels=60),
        Hold(glare=0.25),
        Hold(code_px=120),
        Hold(code_px=600),
        Hold(smear_px=6),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_paper", [False, True])
def test_a_little_less_light_or_more_distance_does_no_harm(hold: Hold, is_paper: bool) -> None:
    cascade = Cascade(load_decoders()[0])
    assert cascade.decode_picture(render_shown(Shown("GP1:A", is_paper, hold), 3)).texts == (
        "GP1:A",
    )


def test_a_dim_phone_is_dark_and_its_place_is_as_bright_as_before() -> None:
    bright, dim = (
        render_shown(Shown("A", hold=Hold(brightness=level)), 5).astype(int) for level in (1, 0.1)
    )
    assert dim[300:420, 560:720].max() < 50
    assert np.array_equal(bright[:, :200], dim[:, :200])


def test_a_veil_lifts_black_and_glare_hides_modules() -> None:
    flat = Hold(tilt_deg=0)
    plain, veiled, glaring = (
        render_shown(Shown("A", hold=hold), 5)
        for hold in (flat, Hold(tilt_deg=0, veil_levels=80), Hold(tilt_deg=0, glare=0.5))
    )
    code = np.s_[280:440, 560:720]
    assert plain[code].min() < 20
    assert veiled[code].min() >= 70
    assert (glaring[code] > 240).mean() > (plain[code] > 240).mean() + 0.2


def test_what_moves_is_smeared_and_the_place_behind_is_not() -> None:
    still, moved = (
        render_shown(Shown("A", hold=Hold(smear_px=px)), 5).astype(int) for px in (0, 20)
    )
    code = np.s_[280:440, 560:720]
    assert np.abs(np.diff(moved[code], axis=0)).mean() < np.abs(np.diff(still[code], axis=0)).mean()
    assert np.array_equal(still[:, :200], moved[:, :200])


def test_a_code_nearer_than_the_frame_is_high_fills_it() -> None:
    frame = render_shown(Shown("A", hold=Hold(code_px=1_000)), 5)
    assert all((frame[row, 400:880] < 60).any() for row in (2, 360, 717))


def test_a_text_too_long_for_a_code_is_refused() -> None:
    with pytest.raises(ValueError, match="no QR code holds"):
        render_phone("x" * 5_000)


@pytest.mark.parametrize("scale", [0.1, 0.25, 0.5, 1.0, 2.0, 3.0])
def test_a_photograph_of_any_size_becomes_a_frame(tmp_path: Path, scale: float) -> None:
    photo = enlarge(render_phone("GP1:PHOTO", seed=3, hold=Hold(code_px=400)), scale)
    path = tmp_path / "photo.png"
    path.write_bytes(encode_picture(photo))
    frame = fit_photo(path)
    assert frame.shape == FRAME
    if scale >= 0.25:
        assert Cascade(load_decoders()[0]).decode_picture(frame).texts == ("GP1:PHOTO",)


@pytest.mark.parametrize("shape", [(10, 4_000, 3), (4_000, 10, 3), (1, 1, 3), (721, 1_281, 3)])
def test_a_photograph_of_any_shape_becomes_a_frame(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(encode_picture(np.zeros(shape, np.uint8)))
    assert fit_photo(path).shape == FRAME


def test_a_photograph_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"absent\.png: no such file"):
        fit_photo(tmp_path / "absent.png")


def test_frames_can_be_rendered_without_the_library_that_draws_codes() -> None:
    program = (
        "import sys, gated.simulation.screens as s; s.render_empty(1); "
        "print('segno' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
