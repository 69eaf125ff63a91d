"""A claim code that is held before the gate's own camera."""

from __future__ import annotations

from gated.claim_codes import URI_SCHEME, Offer, parse_offer
from gated.clock import Clock
from gated.config import ScannerSettings
from gated.errors import DeviceError, WireError
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.sources import make_source

_FRAME_WITHIN_S = 0.5


def read_offer(settings: ScannerSettings, clock: Clock, within_s: float) -> Offer:
    """Return what the first claim code in front of the camera says.

    Raises: DeviceError: there is no camera, or no claim code was shown.
    """
    cascade = Cascade(load_decoders()[0])
    source = make_source(settings, clock)
    until_s = clock.monotonic_s() + within_s
    why = ""
    try:
        source.open()
        while clock.monotonic_s() < until_s:
            frame = source.next_frame(_FRAME_WITHIN_S)
            for text in () if frame is None else cascade.decode_picture(frame.pixels).texts:
                if text.lower().startswith(URI_SCHEME):
                    try:
                        return parse_offer(text)
                    except WireError as exc:
                        why = f": {exc}"
    finally:
        source.close()
    raise DeviceError(
        f"no claim code was shown within {within_s:g} s{why} (未看到认领码)", device=source.name
    )
