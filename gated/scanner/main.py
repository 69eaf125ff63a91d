"""The scanner process, wired: the camera's worker, one for each serial scanner, one socket."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from gated.clock import Clock, SystemClock
from gated.config import ColourUse, GateConfig
from gated.config.serial_scanner import SerialScannerSettings
from gated.datagrams import Sender
from gated.scanner.endings import marked_running
from gated.scanner.lock import only_scanner_of
from gated.scanner.memory import MemoryWatch
from gated.scanner.serial_scanner import SerialScanner
from gated.scanner.sighting import CAMERA
from gated.supervisor import Supervisor
from gated.texts import device_lost

if TYPE_CHECKING:
    from gated.scanner.frames import FrameSource
    from gated.scanner.process import ScannerLoop

log = logging.getLogger(__name__)

SOCKET_NAME = "sighting.sock"
"""In the run folder; the controller binds it."""


def main(
    config: GateConfig,
    source: FrameSource | None,
    *,
    serial: Sequence[SerialScannerSettings] | None = None,
    clock: Clock | None = None,
) -> int:
    """Run the scanner until a signal asks it to stop. Return the process's exit code.

    Args:
        config: of the gate.
        source: the camera; None: this gate has serial scanners only.
        serial: the serial scanners, if not those of ``config``.
        clock: for everything.

    Raises:
        DeviceNotFound: if there's a camera, and OpenCV or every decoder is missing.
        DeviceError: if another scanner process serves this gate.
        StorageError: if the run folder can't be written to.
    """
    clock = clock or SystemClock()
    with only_scanner_of(config.paths.run), marked_running(config.paths.run) as has_died:
        sender = Sender(config.paths.run / SOCKET_NAME)
        eyes: dict[str, Eye] = {}
        supervisor = Supervisor("scanner", clock, status=lambda: one_line(eyes))
        if source is not None:
            loop = _camera_loop(config, source, sender, clock)
            if has_died:
                loop.tell_death()
            eyes[CAMERA] = loop
            supervisor.add("camera", partial(_run_watched, loop, MemoryWatch(clock)))
        for settings in config.scanner.serial if serial is None else serial:
            scanner = SerialScanner(settings, sender, clock, hold_off_s=config.scanner.hold_off_s)
            eyes[settings.name] = scanner
            supervisor.add(f"serial {settings.name}", scanner.run)
        # What is loaded by now stays for good. Looking through it for garbage, again and again, was
        # a fifth of the idle scanner's CPU time.
        gc.collect()
        gc.freeze()
        try:
            return supervisor.run()
        finally:
            sender.close()


class Eye(Protocol):
    """The camera's worker, or a serial scanner's."""

    @property
    def trouble(self) -> str:
        """Why no code can be read by it now; "" if one can."""


def one_line(eyes: Mapping[str, Eye]) -> str:
    """Return what cannot read codes now, and why, as the controller and the doctor say it."""
    found = {name: eye.trouble for name, eye in eyes.items()}
    return " | ".join(device_lost(name, why)[1] for name, why in found.items() if why)


def _run_watched(
    loop: ScannerLoop, memory: MemoryWatch, stop: threading.Event, beat: Callable[[], None]
) -> None:
    """Run ``loop`` as long as the process keeps within its memory."""

    def check_and_beat() -> None:
        memory.check()
        beat()

    loop.run(stop, check_and_beat)


def _camera_loop(
    config: GateConfig, source: FrameSource, sender: Sender, clock: Clock
) -> ScannerLoop:
    """Return the camera's worker. Loads what a gate without a camera need not have."""
    from gated.scanner.cascade import Cascade
    from gated.scanner.decoders import load_decoders
    from gated.scanner.picture import require_opencv
    from gated.scanner.process import ScannerLoop

    require_opencv()
    decoders, missing = load_decoders()
    for reason in missing:
        log.warning("fewer codes will be read: %s", reason)
    return ScannerLoop(
        source,
        Cascade(decoders),
        sender,
        clock,
        hold_off_s=config.scanner.hold_off_s,
        sees_colour=config.scanner.colour is not ColourUse.OFF,
    )
