"""The two families of decoders: zxing-cpp, fast, and zbar (by pyzbar), independent of it.

Both read QR codes only. zbar with its other symbologies on takes longer, warns on stderr and reads
a QR code as something else; zxing's ``QRCode`` stands for Micro QR too, and saw phantoms.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import numpy as np

from gated.errors import DeviceNotFound
from gated.scanner.picture import Pixels
from gated.scanner.regions import Corners

ZXING: Final = "zxing"
ZBAR: Final = "pyzbar"
_ZBAR_GUESSES: Final = ("big5", "shift_jis", "latin-1")
"""What zbar takes UTF-8 for before it tries UTF-8 (mchehab/zbar issues 212 and 244)."""

_NOWHERE: Final = np.full((4, 2), np.nan, np.float32)


@dataclass(frozen=True, slots=True)
class Code:
    """A code that was read.

    Attributes:
        text: what it says.
        corners: of the code, in px of the picture, 4 x 2; one after the other around it.
    """

    text: str
    corners: Corners = field(compare=False)

    def scaled(self, factor: float) -> Code:
        """Return it as it is in a picture ``factor`` as large."""
        return replace(self, corners=self.corners * np.float32(factor))


@dataclass(frozen=True, slots=True)
class Reading:
    """What one decoder makes of one view.

    Attributes:
        codes: with different texts, in the order in which they were found.
        unreadable: codes that were read but whose contents aren't text.
        suspects: corners of what looks like a code and couldn't be read.
    """

    codes: tuple[Code, ...] = ()
    unreadable: int = 0
    suspects: tuple[Corners, ...] = field(default=(), compare=False)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(code.text for code in self.codes)


class Decoder(Protocol):
    """Implementations must be able to read any grey picture of at least 1 x 1 px."""

    @property
    def name(self) -> str: ...

    def read(self, view: Pixels) -> Reading:
        """Return the QR codes in ``view`` (height x width, grey)."""


class ZxingDecoder:
    """zxing-cpp. Raises: DeviceNotFound: if it's not installed (there's no 32-bit ARM wheel)."""

    name: Final = ZXING

    def __init__(self) -> None:
        try:
            import zxingcpp
        except ImportError as exc:
            raise DeviceNotFound(f"zxing-cpp cannot be loaded: {exc}", device=self.name) from exc
        self._zxing = zxingcpp
        self._formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)

    def read(self, view: Pixels) -> Reading:
        codes: dict[str, Code] = {}
        unreadable = 0
        suspects: list[Corners] = []
        for code in self._zxing.read_barcodes(
            view,
            formats=self._formats,
            text_mode=self._zxing.TextMode.Plain,
            return_errors=True,  # costs nothing, and tells a spoilt code from no code
        ):
            if not code.valid:
                suspects.append(_corners_of(code.position))
                continue
            try:
                text = code.text
            except UnicodeDecodeError:
                text = ""
            if text:
                codes.setdefault(text, Code(text, _corners_of(code.position)))
            else:
                unreadable += 1
        return Reading(tuple(codes.values()), unreadable, tuple(suspects))


class ZbarDecoder:
    """pyzbar. Raises: DeviceNotFound: if it or the system's libzbar isn't installed."""

    name: Final = ZBAR

    def __init__(self) -> None:
        try:
            from pyzbar import pyzbar
        except ImportError as exc:
            raise DeviceNotFound(
                f"pyzbar cannot be loaded ({exc}): install libzbar0 of the distribution",
                device=self.name,
            ) from exc
        self._pyzbar = pyzbar

    def read(self, view: Pixels) -> Reading:
        codes: dict[str, Code] = {}
        unreadable = 0
        try:
            symbols = self._pyzbar.decode(view, symbols=[self._pyzbar.ZBarSymbol.QRCODE])
        except ValueError:  # by pyzbar itself, of a code in several parts: it has no orientation
            return Reading(unreadable=1)
        for symbol in symbols:
            text = undo_zbar_guess(bytes(symbol.data))
            if text:
                polygon = np.array([(point.x, point.y) for point in symbol.polygon], np.float32)
                # Of four points on three lines the hull has three, and nobody knows which.
                corners = polygon if polygon.shape == _NOWHERE.shape else _NOWHERE
                codes.setdefault(text, Code(text, corners))
            else:
                unreadable += 1
        return Reading(tuple(codes.values()), unreadable)


def _corners_of(position: Any) -> Corners:  # noqa: ANN401  zxingcpp.Position has no type
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    return np.array([(corner.x, corner.y) for corner in corners], np.float32) + np.float32(0.5)


def undo_zbar_guess(data: bytes) -> str:
    """Return the text of a code that zbar has converted to UTF-8 from whatever it took it for.

    Returns "" if ``data`` isn't UTF-8 (a binary code).
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    if text.isascii():
        return text
    for guess in _ZBAR_GUESSES:
        try:
            return text.encode(guess).decode()
        except UnicodeError:
            continue
    return text


def load_decoders() -> tuple[tuple[Decoder, ...], tuple[str, ...]]:
    """Return the decoders of this machine, fastest first, and why others are missing.

    Raises: DeviceNotFound: if there is none at all.
    """
    loaded: list[Decoder] = []
    missing: list[str] = []
    for decoder in (ZxingDecoder, ZbarDecoder):
        try:
            loaded.append(decoder())
        except DeviceNotFound as exc:
            missing.append(str(exc))
    if not loaded:
        raise DeviceNotFound("no QR decoder: " + "; ".join(missing), device="scanner")
    return tuple(loaded), tuple(missing)
