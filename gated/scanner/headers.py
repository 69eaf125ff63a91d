"""The size of a picture, read from its header before a single pixel is decoded. Pure.

A picture of 30,000 x 30,000 equal pixels is a file of a few kB and 2.7 GB of memory once decoded.
Only the four formats below are looked at; anything else isn't a picture to us, so that the rarer
decoders inside OpenCV never see a stranger's bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})  # no length follows
_BMP_CORE_HEADER_BYTES = 12  # the oldest kind, with 16-bit sizes
_WEBP_SIZE_MASK = 0x3FFF  # 14 bits; the two above are an upscaling hint


@dataclass(frozen=True, slots=True)
class PictureSize:
    width_px: int
    height_px: int

    @property
    def pixels(self) -> int:
        return self.width_px * self.height_px


def measure_picture(data: bytes) -> PictureSize | None:
    """Return the size that a PNG, JPEG, WebP or BMP file says it has, or None if it is none."""
    try:
        width_px, height_px = _measure(data)
    except (struct.error, IndexError):
        return None
    return PictureSize(width_px, height_px) if width_px > 0 and height_px > 0 else None


def _measure(data: bytes) -> tuple[int, int]:
    if data.startswith(_PNG):
        width_px, height_px = struct.unpack_from(">II", data, 16)
        return width_px, height_px
    if data.startswith(_JPEG):
        return _measure_jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _measure_webp(data)
    if data.startswith(b"BM"):
        return _measure_bmp(data)
    return 0, 0


def _measure_jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    while data[at] == 0xFF:  # noqa: PLR2004 - every JPEG marker starts with it
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fill bytes may precede a marker
            at += 1
        elif marker in _JPEG_BARE_MARKERS:
            at += 2
        elif marker in _JPEG_FRAME_MARKERS:
            height_px, width_px = struct.unpack_from(">HH", data, at + 5)
            return width_px, height_px
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return 0, 0


def _measure_webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & _WEBP_SIZE_MASK, height & _WEBP_SIZE_MASK
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & _WEBP_SIZE_MASK) + 1, ((bits >> 14) & _WEBP_SIZE_MASK) + 1
    if kind == b"VP8X" and len(data) >= 30:  # noqa: PLR2004 - where its two 24-bit sizes end
        return (
            int.from_bytes(data[24:27], "little") + 1,
            int.from_bytes(data[27:30], "little") + 1,
        )
    return 0, 0


def _measure_bmp(data: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", data, 14)[0] == _BMP_CORE_HEADER_BYTES:
        width, height = struct.unpack_from("<HH", data, 18)
        return width, height
    width, height = struct.unpack_from("<ii", data, 18)
    return width, abs(height)  # negative: stored from the top down
