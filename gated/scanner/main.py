"""The scanner process, wired: source, decoders, the socket to the controller, one thread."""

from __future__ import annotations

import gc
import logging

from gated.clock import Clock, SystemClock
from gated.config import GateConfig
from gated.datagrams import Sender
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.frames import FrameSource
from gated.scanner.picture import require_opencv
from gated.scanner.process import ScannerLoop
from gated.supervisor import Supervisor

log = logging.getLogger(__name__)

SOCKET_NAME = "sighting.sock"
"""In the run folder; the controller binds it."""


def main(config: GateConfig, source: FrameSource, *, clock: Clock | None = None) -> int:
    """Run the scanner until a signal asks it to stop. Return the process's exit code.

    Raises: DeviceNotFound: if OpenCV or every decoder is missing.
    """
    require_opencv()
    clock = clock or SystemClock()
    decoders, missing = load_decoders()
    for reason in missing:
        log.warning("fewer codes will be read: %s", reason)
    sender = Sender(config.paths.run / SOCKET_NAME)
    loop = ScannerLoop(
        source, Cascade(decoders), sender, clock, hold_off_s=config.scanner.hold_off_s
    )
    supervisor = Supervisor("scanner", clock)
    supervisor.add("camera", loop.run)
    # What is loaded by now stays for good. Looking through it for garbage, again and again, was a
    # fifth of the idle scanner's CPU time.
    gc.collect()
    gc.freeze()
    try:
        return supervisor.run()
    finally:
        sender.close()
