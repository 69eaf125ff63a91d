"""Pictures and videos as frames: whatever the files hold, time and memory stay bounded."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from gated.clock import FakeClock
from gated.errors import DeviceLost, DeviceNotFound
from gated.scanner.captures import open_video
from gated.scanner.frames import NoCamera
from gated.scanner.picture import Pixels, encode_picture
from gated.scanner.sources.pictures import PictureSource
from gated.scanner.sources.video import VideoSource
from tests.frame_sources import CLOCK, TIMEOUT_S, ScriptedCapture, noisy

# --- pictures ------------------------------------------------------------------------------------


def test_an_unreadable_picture_is_one_warning_and_the_others_still_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.png").write_bytes(b"garbage")
    (tmp_path / "b.png").write_bytes(encode_picture(noisy(1)))
    (tmp_path / "notes.txt").write_text("not a picture")
    source = PictureSource([tmp_path], CLOCK)
    source.open()
    assert source.next_frame(TIMEOUT_S) is not None
    assert source.next_frame(TIMEOUT_S) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="absent"):
        PictureSource([tmp_path / "absent"], CLOCK).open()


def test_bad_pictures_do_not_hold_it_up_beyond_the_time_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"garbage")
    source = PictureSource([tmp_path], FakeClock())
    source.open()
    assert source.next_frame(0.0) is None
    assert len(caplog.records) == 1, "it looked at more than one in no time"
    (tmp_path / "1.png").write_bytes(encode_picture(noisy(1)))
    assert source.next_frame(0.0) is not None


def _huge() -> bytes:
    data = bytearray(encode_picture(noisy(1)))
    data[16:24] = (10_000).to_bytes(4, "big") * 2
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (_huge(), "10000 x 10000 pixels are more than 40 million"),
        (encode_picture(noisy(1))[:900], "damaged or cut off"),
        (b"GIF89a" + bytes(100), "not a PNG, JPEG, WebP or BMP picture"),
    ],
)
def test_what_cannot_be_used_is_skipped_with_its_reason(
    tmp_path: Path, data: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "b.png").write_bytes(encode_picture(noisy(1)))
    source = PictureSource([tmp_path], CLOCK)
    source.open()
    assert source.next_frame(TIMEOUT_S) is not None
    (record,) = caplog.records
    assert (record.levelno, record.message) == (
        logging.WARNING,
        f"{tmp_path / 'a.png'} is skipped: {reason}",
    )


# --- videos --------------------------------------------------------------------------------------


def test_a_real_video_file_ends_after_its_last_frame(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    path.write_bytes(_clip([noisy(seed, shape=(64, 64, 3)) for seed in range(3)]))
    source = VideoSource(path, CLOCK)
    source.open()
    frames = [source.next_frame(TIMEOUT_S) for _ in range(4)]
    assert [None if frame is None else frame.sequence for frame in frames] == [1, 2, 3, None]
    source.close()


def _clip(frames: list[Pixels]) -> bytes:
    """Return a Motion JPEG video: JPEG files one after another are one."""
    return b"".join(encode_picture(frame, ".jpg") for frame in frames)


def test_a_video_that_was_cut_off_ends_where_it_was_cut(tmp_path: Path) -> None:
    whole = _clip([noisy(seed, shape=(64, 64, 3)) for seed in range(5)])
    for share in (0.9, 0.5, 0.25):
        path = tmp_path / f"{share}.avi"
        path.write_bytes(whole[: int(len(whole) * share)])
        source = VideoSource(path, CLOCK)
        source.open()
        frames = [source.next_frame(0.0) for _ in range(8)]
        assert frames[0] is not None
        assert frames[-1] is None
        assert all(frame.pixels.shape == (64, 64, 3) for frame in frames if frame is not None)
        source.close()


def test_a_video_of_huge_frames_is_refused_before_one_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.avi"
    path.write_bytes(encode_picture(np.zeros((7_000, 7_000, 3), np.uint8), ".jpg") * 2)
    with pytest.raises(DeviceNotFound, match=r"7000 x 7000 pixels are more than 40 million"):
        open_video(path)


def test_what_is_no_video_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "empty.avi").touch()
    (tmp_path / "text.avi").write_text("#EXTM3U\nhttp://127.0.0.1:9/x.ts\n")
    (tmp_path / "stub.avi").write_bytes(_clip([noisy(1)])[:20])
    for path in (
        tmp_path / "stub.avi",
        tmp_path / "empty.avi",
        tmp_path / "text.avi",
        tmp_path,
        tmp_path / "absent",
    ):
        with pytest.raises(DeviceNotFound) as caught:
            VideoSource(path, CLOCK).open()
        assert not isinstance(caught.value, NoCamera)
        assert str(path) in str(caught.value)


def test_an_empty_frame_of_a_video_is_none() -> None:
    frames = [np.zeros((0, 0, 3), np.uint8), noisy(1)]
    source = VideoSource(Path("v.avi"), CLOCK, lambda _: ScriptedCapture(frames))
    source.open()
    assert source.next_frame(0.0) is None
    assert source.next_frame(0.0) is not None


def test_a_video_whose_decoder_fails_is_lost() -> None:
    class Failing(ScriptedCapture):
        def grab(self) -> bool:
            raise DeviceLost("v.avi failed", device="v.avi")

    source = VideoSource(Path("v.avi"), CLOCK, lambda _: Failing([]))
    source.open()
    with pytest.raises(DeviceLost, match="failed"):
        source.next_frame(TIMEOUT_S)
    source.close()
