"""The two families of decoders: zxing-cpp, fast, and zbar (by pyzbar), independent of it.

Both read QR codes only. zbar with its other symbologies on takes longer, warns on stderr and reads
a QR code as something else; zxing's ``QRCode`` stands for Micro QR too, and saw phantoms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from gated.errors import DeviceNotFound
from gated.scanner.picture import Pixels

_ZBAR_GUESSES: Final = ("big5", "shift_jis", "latin-1")
"""What zbar takes UTF-8 for before it tries UTF-8 (mchehab/zbar issues 212 and 244)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one decoder makes of one view.

    Attributes:
        texts: the different texts, in the order in which they were found.
        unreadable: codes that were read but whose contents aren't text.
        is_code_like: whether a code was found, though it couldn't be read.
    """

    texts: tuple[str, ...] = ()
    unreadable: int = 0
    is_code_like: bool = False


class Decoder(Protocol):
    """Implementations must be able to read any grey picture of at least 1 x 1 px."""

    @property
    def name(self) -> str: ...

    def read(self, view: Pixels) -> Reading:
        """Return the QR codes in ``view`` (height x width, grey)."""


class ZxingDecoder:
    """zxing-cpp. Raises: DeviceNotFound: if it's not installed (there's no 32-bit ARM wheel)."""

    name: Final = "zxing"

    def __init__(self) -> None:
        try:
            import zxingcpp
        except ImportError as exc:
            raise DeviceNotFound(f"zxing-cpp cannot be loaded: {exc}", device=self.name) from exc
        self._zxing = zxingcpp
        self._formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)

    def read(self, view: Pixels) -> Reading:
        texts: list[str] = []
        unreadable = 0
        is_code_like = False
        for code in self._zxing.read_barcodes(
            view,
            formats=self._formats,
            text_mode=self._zxing.TextMode.Plain,
            return_errors=True,  # costs nothing, and tells a spoilt code from no code
        ):
            if not code.valid:
                is_code_like = True
                continue
            try:
                text = code.text
            except UnicodeDecodeError:
                text = ""
            if text:
                texts.append(text)
            else:
                unreadable += 1
        return Reading(tuple(dict.fromkeys(texts)), unreadable, is_code_like)


class ZbarDecoder:
    """pyzbar. Raises: DeviceNotFound: if it or the system's libzbar isn't installed."""

    name: Final = "pyzbar"

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
        texts: list[str] = []
        unreadable = 0
        for symbol in self._pyzbar.decode(view, symbols=[self._pyzbar.ZBarSymbol.QRCODE]):
            text = undo_zbar_guess(bytes(symbol.data))
            if text:
                texts.append(text)
            else:
                unreadable += 1
        return Reading(tuple(dict.fromkeys(texts)), unreadable)


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
