"""Picture files: their headers, what can't be used, and the views a decoder gets."""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gated.errors import DeviceNotFound
from gated.scanner.captures import open_camera, open_video, why_no_camera
from gated.scanner.headers import PictureSize, measure_picture
from gated.scanner.picture import (
    MAX_FILE_BYTES,
    Pixels,
    Unreadable,
    darkest_channel,
    encode_picture,
    enlarge,
    parse_picture,
    read_picture,
    sharpen,
    shrink,
    to_grey,
)

FORMATS = (".png", ".jpg", ".webp", ".bmp")


def _scene(height: int = 37, width: int = 53) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


def _reason(data: bytes) -> str:
    picture = parse_picture(data)
    assert isinstance(picture, Unreadable)
    return picture.reason


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_size_is_read_from_the_header_of_each_format(suffix: str) -> None:
    assert measure_picture(encode_picture(_scene(), suffix)) == PictureSize(53, 37)


@pytest.mark.parametrize(
    "header",
    [
        b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f" + struct.pack("<I", (53 - 1) | (37 - 1) << 14),
        b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x34\0\0\x24\0\0",
        b"RIFF\x1a\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 53 | 0x4000, 37),
        b"BM" + bytes(12) + struct.pack("<IHH", 12, 53, 37),
        b"BM" + bytes(12) + struct.pack("<Iii", 40, 53, -37),
        b"\xff\xd8\xff\xff\xe0\0\x04xx\xff\x01\xff\xc2\0\x0b\x08" + struct.pack(">HH", 37, 53),
    ],
    ids=["webp lossless", "webp extended", "webp scaled", "old bmp", "bmp from above", "jpeg"],
)
def test_rarer_headers_are_read_too(header: bytes) -> None:
    assert measure_picture(header) == PictureSize(53, 37)


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_was_written_is_read(suffix: str) -> None:
    picture = parse_picture(encode_picture(_scene(), suffix))
    assert not isinstance(picture, Unreadable)
    assert picture.shape == (37, 53, 3)
    assert picture.dtype == np.uint8


def _moving_webp(frames: list[Pixels]) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)

    size = b"".join((side - 1).to_bytes(3, "little") for side in frames[0].shape[1::-1])
    body = b"WEBP" + chunk(b"VP8X", b"\2\0\0\0" + size) + chunk(b"ANIM", bytes(6))
    for frame in frames:
        data = bytes(6) + size + b"\x64\0\0\0" + encode_picture(frame, ".webp")[12:]
        body += chunk(b"ANMF", data)
    return chunk(b"RIFF", body)


def _moving_png(frames: list[Pixels]) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width = frames[0].shape[:2]
    whole = encode_picture(frames[0])
    body = whole[:33] + chunk(b"acTL", struct.pack(">II", len(frames), 0))  # 33: after its IHDR
    for number, frame in enumerate(frames):
        control = (width, height, 0, 0, 1, 10, 0, 0)
        body += chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * number, *control))
        rows = b"".join(b"\0" + row.tobytes() for row in frame[..., ::-1])
        pixels = zlib.compress(rows)
        kind = (b"IDAT", b"") if number == 0 else (b"fdAT", struct.pack(">I", 2 * number - 1))
        body += chunk(kind[0], kind[1] + pixels)
    return body + chunk(b"IEND", b"")


@pytest.mark.parametrize("encode", [_moving_png, _moving_webp])
def test_of_a_moving_picture_the_first_frame_is_read(
    encode: Callable[[list[Pixels]], bytes],
) -> None:
    levels = (60, 200, 250)
    picture = parse_picture(encode([np.full((24, 32, 3), n, np.uint8) for n in levels]))
    assert not isinstance(picture, Unreadable)
    assert picture.shape == (24, 32, 3)
    assert abs(float(picture.mean()) - 60) < 3


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk
    bomb += struct.pack(">I", zlib.crc32(chunk))
    assert _reason(bomb) == "60000 x 60000 pixels are more than 40 million"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"GIF89a\x10\0\x10\0", "not a PNG, JPEG, WebP or BMP picture"),
        (b"II*\0" + bytes(100), "not a PNG, JPEG, WebP or BMP picture"),
        (b"\x89PNG\r\n\x1a\n", "not a PNG, JPEG, WebP or BMP picture"),
        (b"\xff\xd8\xff", "not a PNG, JPEG, WebP or BMP picture"),
        (b"\xff\xd8\xff\xd9\0\0\0", "not a PNG, JPEG, WebP or BMP picture"),
        (b"RIFF\0\0\0\0WEBPVP9 ", "not a PNG, JPEG, WebP or BMP picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "not a PNG, JPEG, WebP or BMP picture"),
    ],
)
def test_what_is_no_picture_says_so(data: bytes, reason: str) -> None:
    assert _reason(data) == reason


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_picture_that_was_cut_off_says_so(suffix: str) -> None:
    data = encode_picture(_scene(200, 200), suffix)
    assert _reason(data[: len(data) // 2]) == "damaged or cut off"


@settings(max_examples=60)
@given(st.sampled_from(FORMATS), st.data())
def test_a_damaged_picture_is_a_picture_or_a_reason(suffix: str, data: st.DataObject) -> None:
    whole = bytearray(encode_picture(_scene(24, 24), suffix))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    picture = parse_picture(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    assert isinstance(picture, Unreadable) or picture.ndim == 3


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"])
)
def test_any_bytes_have_a_size_or_none(data: bytes, start: bytes) -> None:
    size = measure_picture(start + data)
    assert size is None or size.pixels > 0


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.png"
    os.mkfifo(fifo)
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert read_picture(tmp_path / "absent.png") == Unreadable("no such file")
    assert read_picture(tmp_path) == Unreadable("not a file")
    assert read_picture(fifo) == Unreadable("not a file")
    assert read_picture(huge) == Unreadable("larger than 64 MB")


def test_the_darkest_channel_makes_yellow_as_dark_as_black() -> None:
    yellow = np.full((4, 4, 3), (0, 195, 255), np.uint8)
    assert int(darkest_channel(yellow).max()) == 0
    assert int(to_grey(yellow).min()) > 150
    assert darkest_channel(to_grey(yellow)) is not yellow
    assert to_grey(to_grey(yellow)).ndim == 2


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((720, 1280), (360, 640)),
        ((100, 50), (100, 50)),
        ((1, 9_000), (1, 640)),
        ((9_000, 3), (640, 1)),
    ],
)
def test_a_picture_is_shrunk_to_its_longer_side_and_never_enlarged(
    shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert shrink(np.zeros(shape, np.uint8), 640).shape == expected


def test_sharpening_and_enlarging_keep_to_bytes() -> None:
    grey = to_grey(_scene())
    assert sharpen(grey).shape == grey.shape
    assert enlarge(grey, 2.0).shape == (74, 106)
    assert sharpen(grey).dtype == enlarge(grey, 2.0).dtype == np.uint8


def test_a_camera_or_video_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="no camera at /dev/no-such-camera"):
        open_camera("/dev/no-such-camera")
    with pytest.raises(DeviceNotFound, match="no such video file"):
        open_video(tmp_path / "absent.avi")
    garbage = tmp_path / "garbage.avi"
    garbage.write_bytes(b"nothing of a video")
    with pytest.raises(DeviceNotFound, match="cannot be opened"):
        open_video(garbage)
    with pytest.raises(DeviceNotFound, match="is no camera, or another process uses it: stop"):
        open_camera(str(garbage))
    with pytest.raises(DeviceNotFound, match="cannot be opened: Is a directory"):
        open_camera(str(tmp_path))


def test_a_camera_that_this_user_may_not_open_names_the_group() -> None:
    def open_node(path: str, flags: int) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    assert why_no_camera("/dev/video0", open_node) == (
        "/dev/video0 may not be opened by this user: add it to the group video"
    )
