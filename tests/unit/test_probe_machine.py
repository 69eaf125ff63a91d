"""What is found on a machine without a configuration: nothing is moved, nothing waits for ever."""

from __future__ import annotations

import errno
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gated.clock import FakeClock
from gated.commands.probe_output import (
    frame_line,
    machine_code,
    machine_lines,
)
from gated.errors import DeviceError, DeviceNotFound, ExitCode, GatedError
from gated.probe import cameras
from gated.probe.findings import (
    Answer,
    CameraFound,
    CardFound,
    ChipFound,
    FrameSeen,
    I2CFound,
    LineFound,
    Machine,
    SerialFound,
)
from gated.probe.gpio_chips import list_chips
from gated.probe.i2c import Bus
from gated.probe.machine import Sources, survey
from gated.probe.plugged import list_cards, list_serial
from gated.scanner.frames import Frame, Wish
from gated.scanner.picture import Unreadable, encode_picture, read_picture
from gated.simulation.bus import SimulatedBus
from gated.simulation.gpiochip import SimulatedChip, SimulatedGpiod
from gated.simulation.picamera import PicameraDesk
from gated.simulation.screens import render_empty, render_phone
from gated.units import MonoSeconds
from tests.probe_gate import Plain, chip, pictures, quiet

BUS = Bus("/dev/i2c-1", "bcm2835 (i2c@7e804000)", ())


# --- GPIO, serial devices, sound cards ----------------------------------------------------------


def test_gpio_chips_show_their_lines_with_a_name_or_an_owner_and_take_none() -> None:
    header = SimulatedChip("pinctrl-bcm2711", ["", "ID_SDA", "GPIO17", "GPIO22"], FakeClock())
    header.hold("GPIO17", "gated relay")
    closed = SimulatedChip("raspberrypi-exp-gpio", ["LED"], FakeClock(), may_open=False)
    library = SimulatedGpiod(header, closed)
    assert list_chips(library.gpio()) == [
        ChipFound(
            "/dev/gpiochip0",
            "pinctrl-bcm2711",
            4,
            (
                LineFound(1, "ID_SDA", ""),
                LineFound(2, "GPIO17", "gated relay"),
                LineFound(3, "GPIO22", ""),
            ),
        ),
        ChipFound(
            "/dev/gpiochip1",
            "",
            0,
            problem="/dev/gpiochip1 may not be opened by this user: add it to the group gpio",
        ),
    ]
    assert [w.consumer for w in header.wires] == [None, None, "gated relay", None]


def test_serial_devices_are_listed_by_their_stable_paths(tmp_path: Path) -> None:
    by_id = tmp_path / "by-id"
    assert list_serial(by_id) == []
    by_id.mkdir()
    (tmp_path / "ttyUSB0").touch()
    (by_id / "usb-scanner-if00").symlink_to("../ttyUSB0")
    path = str(by_id / "usb-scanner-if00")
    assert list_serial(by_id) == [SerialFound(path, str(tmp_path / "ttyUSB0"))]


CARDS = """\
 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones
                      bcm2835 Headphones
 1 [C920           ]: USB-Audio - HD Pro Webcam C920
                      HD Pro Webcam C920 at usb-0000:01:00.0-1.2, high speed
"""


def test_sound_cards_that_can_play_are_listed_as_the_configuration_names_them(
    tmp_path: Path,
) -> None:
    assert list_cards(tmp_path) == []
    (tmp_path / "cards").write_text(CARDS)
    (tmp_path / "card0" / "pcm0p").mkdir(parents=True)
    (tmp_path / "card1" / "pcm0c").mkdir(parents=True)  # a microphone
    assert list_cards(tmp_path) == [
        CardFound(0, "plughw:CARD=Headphones", "bcm2835_headpho - bcm2835 Headphones")
    ]


# --- cameras -------------------------------------------------------------------------------------

SECRET = "GP1:NOBODY-MAY-SEE-THIS"  # what a code says
CAPTURE, METADATA, CONVERTER, OWN = 0x1, 0x0080_0000, 0x8000, 0x8000_0000


def capability(driver: str, card: str, own: int) -> bytes:
    words = (6 << 16, own | CAPTURE | OWN, own, 0, 0, 0)
    return struct.pack("=16s32s32s6I", driver.encode(), card.encode(), b"usb-1", *words)


@pytest.mark.parametrize(
    ("driver", "own", "expected"),
    [
        ("uvcvideo", CAPTURE, "HD Webcam (uvcvideo)"),
        ("uvcvideo", METADATA, None),  # the second node of the same camera
        ("bcm2835-codec", CONVERTER | CAPTURE, None),
        ("bcm2835-isp", CAPTURE, None),
        ("unicam", CAPTURE, None),
    ],
)
def test_only_cameras_are_taken_for_cameras(driver: str, own: int, expected: str | None) -> None:
    assert cameras.camera_model(capability(driver, "HD Webcam", own)) == expected


def test_a_node_that_is_not_for_this_user_says_how_to_mend_it(tmp_path: Path) -> None:
    for name in ("video0", "video2", "video10", "videodev"):
        (tmp_path / name).touch()

    def ask(node: Path) -> bytes:
        if node.name == "video2":
            raise PermissionError(errno.EACCES, "Permission denied")
        if node.name == "video10":
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        return capability("uvcvideo", "HD\x1b Webcam", CAPTURE)

    first, second = str(tmp_path / "video0"), str(tmp_path / "video2")
    refusal = f"{second} may not be opened by this user: add it to the group video"
    assert cameras.list_v4l2(tmp_path, ask) == [
        CameraFound("v4l2", first, "HD? Webcam (uvcvideo)"),
        CameraFound("v4l2", second, "", refusal),
    ]


def test_files_that_are_no_video_nodes_are_none_to_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    assert cameras.list_v4l2(tmp_path) == []


def test_a_raspberry_pis_own_cameras_are_listed_where_picamera2_is_there() -> None:
    desk = PicameraDesk()
    (found,) = cameras.list_picameras(desk.load)
    assert (found.source, found.problem) == ("picamera2", "")
    desk.is_plugged = False
    assert cameras.list_picameras(desk.load) == []


def test_without_picamera2_there_is_nothing_to_say() -> None:
    def load() -> object:
        raise ModuleNotFoundError("No module named 'picamera2'")

    assert cameras.list_picameras(load) == []  # type: ignore[arg-type]  # it never returns


def test_a_frame_is_described_and_a_code_in_it_is_not_read_out(tmp_path: Path) -> None:
    shown = render_phone(SECRET, seed=1)
    (tmp_path / "a.png").write_bytes(encode_picture(shown))
    frame = cameras.look(pictures(tmp_path), FakeClock(), None, decode=True)
    height, width = shown.shape[:2]
    assert (frame.width_px, frame.height_px, frame.has_code) == (width, height, True)
    assert frame.brightness_percent == pytest.approx(shown.mean() / 2.55)
    for language in ("zh-Hans", "en"):
        assert SECRET not in frame_line(frame, language)
    assert "a code is read" in frame_line(frame, "en")
    assert SECRET not in repr(frame)


def test_a_frame_without_a_code_says_so_and_a_black_one_is_dark(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_picture(np.zeros((240, 320, 3), np.uint8)))
    frame = cameras.look(pictures(tmp_path), FakeClock(), None, decode=True)
    assert frame_line(frame, "en") == f"{tmp_path}: 320 × 240 px, brightness 0 %, no code"


def test_a_kept_picture_is_its_owners_alone_said_and_never_written_over(tmp_path: Path) -> None:
    seen, kept = tmp_path / "seen", tmp_path / "kept.png"
    seen.mkdir()
    shown = render_empty(2)
    (seen / "a.png").write_bytes(encode_picture(shown))
    frame = cameras.look(pictures(seen), FakeClock(), kept, decode=False)
    assert kept.stat().st_mode & 0o777 == 0o600
    saved = read_picture(kept)
    assert not isinstance(saved, Unreadable)
    assert np.array_equal(saved, shown)
    assert "it may show people" in frame_line(frame, "en")
    with pytest.raises(GatedError, match="exists already"):
        cameras.look(pictures(seen), FakeClock(), kept, decode=False)


def test_a_camera_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="no such picture"):
        cameras.look(pictures(tmp_path / "absent"), FakeClock(), None, decode=False)


def test_a_camera_that_delivers_nothing_says_what_to_try(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no frame came within 0 s: unplug it"):
        cameras.look(pictures(tmp_path), FakeClock(), None, decode=False, within_s=0.0)


# --- the whole machine ---------------------------------------------------------------------------


def sources(bus: SimulatedBus) -> Sources:
    return Sources(
        list_buses=lambda: [BUS],
        open_bus=lambda _: bus.open(),
        list_chips=lambda: [
            ChipFound("/dev/gpiochip0", "pinctrl-bcm2711", 58, (
                LineFound(17, "GPIO17", "gated relay"), LineFound(22, "GPIO22", ""),
            ))
        ],
        list_cameras=lambda: [CameraFound("v4l2", "/dev/video0", "HD Webcam (uvcvideo)")],
        list_serial=lambda: [SerialFound("/dev/serial/by-id/usb-scanner-if00", "/dev/ttyUSB0")],
        list_cards=lambda: [CardFound(0, "plughw:CARD=Headphones", "bcm2835 Headphones")],
    )  # fmt: skip


def test_the_screen_shows_everything_in_both_languages() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    bus.attach(0x5A, chip("mlx90614", clock)[1])
    bus.attach(0x29, Plain())
    machine = survey(sources(bus), clock, clock.advance, quiet, held_by=None)
    reading = machine.i2c[0].answers[1].reading
    assert list(machine_lines(machine, "en")) == [
        "I2C buses",
        "  /dev/i2c-1  bcm2835 (i2c@7e804000)",
        "    0x29  something answers, not a chip of ours",
        f"    0x5A  mlx90614 123456789abcdef0: {reading}",
        "GPIO chips",
        "  /dev/gpiochip0  pinctrl-bcm2711, 58 lines",
        "    free: GPIO22",
        "    in use: GPIO17 (gated relay)",
        "cameras",
        '  camera = "v4l2", device = "/dev/video0"  HD Webcam (uvcvideo)',
        "serial devices",
        "  /dev/serial/by-id/usb-scanner-if00 → /dev/ttyUSB0",
        "sound cards",
        "  plughw:CARD=Headphones  bcm2835 Headphones",
    ]
    chinese = list(machine_lines(machine, "zh-Hans"))
    assert chinese[0] == "I2C 总线"
    assert "    0x29  有应答，未知器件" in chinese
    assert machine_code(machine) is ExitCode.OK


def test_the_buses_of_a_running_gate_are_named_and_not_touched() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    machine = survey(sources(bus), clock, clock.advance, quiet, held_by=4711)
    lines = list(machine_lines(machine, "en"))
    assert "the controller runs (process 4711)" in lines[0]
    assert "  /dev/i2c-1  bcm2835 (i2c@7e804000)" in lines
    assert not bus.transcript
    assert machine_code(machine) is ExitCode.UNAVAILABLE


def test_what_is_needed_and_not_there_says_how_to_get_it() -> None:
    for language, words in (("en", "raspi-config"), ("zh-Hans", "没有 I2C 总线")):
        lines = list(machine_lines(Machine(), language))  # type: ignore[arg-type]  # a Language
        assert sum(line.startswith("  !") for line in lines) == 3
        assert any(words in line for line in lines)
    assert machine_code(Machine()) is ExitCode.FAILED


def test_a_problem_anywhere_is_an_exit_code() -> None:
    well = survey(sources(SimulatedBus()), FakeClock(), lambda _: None, quiet, held_by=None)
    assert machine_code(well) is ExitCode.OK
    for part in (
        {"i2c": (I2CFound("/dev/i2c-1", "", problem="held"),)},
        {"i2c": (I2CFound("/dev/i2c-1", "", (Answer(0x5A, "mlx90614", "1", problem="hot"),)),)},
        {"frames": (FrameSeen("/dev/video0", problem="dark"),)},
        {"cameras": ()},
    ):
        assert machine_code(replace(well, **part)) is ExitCode.FAILED


class Frames:
    """A source that delivers these pictures, then nothing."""

    name = "/dev/video7"

    def __init__(self, *pictures: int | None) -> None:
        self._pictures = list(pictures)

    def open(self) -> None:
        """It is open."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def attend(self, wish: Wish | None) -> None:
        """There is nothing to move."""

    def next_frame(self, timeout_s: float) -> Frame | None:
        value = self._pictures.pop(0) if self._pictures else None
        return None if value is None else frame_of(value)


def frame_of(value: int) -> Frame:
    return Frame(np.full((240, 320, 3), value, np.uint8), 1, MonoSeconds(0.0))


def test_a_camera_shows_that_the_next_frame_is_another() -> None:
    cameras.check_fresh(Frames(7, 7, 8), frame_of(7))
    with pytest.raises(DeviceError, match=r"^the camera repeats one frame$"):
        cameras.check_fresh(Frames(*[7] * 5), frame_of(7))
    with pytest.raises(DeviceError, match="/dev/video7 gave one frame, and no further one"):
        cameras.check_fresh(Frames(7), frame_of(7))
