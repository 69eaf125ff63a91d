"""``gated scan --record`` and ``--replay``: a camera's frames kept, and looked at again."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from gated.clock import Clock, FakeClock, SystemClock
from gated.commands.scan import printable, to_json
from gated.errors import DeviceError, ExitCode
from gated.messages import CodeSeen, CodeUnread
from gated.scanner.sighting import decode_sighting

if TYPE_CHECKING:
    from collections.abc import Callable

    from gated.scanner.frames import FrameSource
    from gated.scanner.recording import SessionWriter
    from gated.scanner.sources.replay import ReplaySource

    RecordFrames = Callable[[FrameSource, SessionWriter, Clock, float], str]

_MEGA = 1e6
PERSONAL = (
    "gated: frames show people, they are personal data: show {folder} to nobody who need not see "
    "it, and delete it when you are done (画面含个人信息，勿外传，用后请删除)"
)


def record(
    folder: Path,
    config_file: Path | None,
    seconds: float,
    *,
    record_frames: RecordFrames | None = None,
) -> int:
    """Record the configured camera for ``seconds`` into the new ``folder``. Return the exit code.

    What codes say is neither shown nor stored apart from the frames. ``record_frames`` is
    ``gated.scanner.recording.record``, or what stands in for it.

    Raises: DeviceError: the gate's scanner runs, or the camera fails. StorageError.
    """
    from gated.config import default_file, load_gate
    from gated.scanner import recording
    from gated.scanner.lock import only_scanner_of
    from gated.scanner.sources import make_source

    config = load_gate(config_file or default_file())
    clock = SystemClock()
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(only_scanner_of(config.paths.run))
        except DeviceError as exc:
            raise DeviceError(
                f"recording is refused while the gate scans (扫码服务运行时不能录制): {exc}",
                device="scanner",
            ) from exc
        source = make_source(config.scanner, clock)
        writer = recording.SessionWriter(folder, source.name)
        print(PERSONAL.format(folder=printable(str(folder))), file=sys.stderr, flush=True)
        try:
            reason = (record_frames or recording.record)(source, writer, clock, seconds)
        except KeyboardInterrupt:
            reason = "stopped by hand"
        finally:
            source.close()
            writer.close()
            print(f"{writer.frames} frames, {writer.bytes / _MEGA:.1f} MB")
    if reason:
        print(f"gated: the recording ended: {reason}", file=sys.stderr)
    return ExitCode.OK


def replay(folder: Path, config_file: Path | None, *, is_fast: bool, as_json: bool) -> int:
    """Play the session in ``folder`` through all that the gate's scanner does. Return OK.

    Args:
        folder: as ``record`` wrote it.
        config_file: for the hold-off; None: its default.
        is_fast: frames come as fast as they're read; their times are the recorded ones.
        as_json: print one JSON object for each sighting.

    Raises: DeviceNotFound: no session, or a bad one; no decoder.
    """
    from gated.config import Camera, ScannerSettings, load_gate
    from gated.scanner.cascade import Cascade
    from gated.scanner.decoders import load_decoders
    from gated.scanner.process import ScannerLoop
    from gated.scanner.sources.replay import ReplaySource

    clock: Clock = SystemClock()
    stop, pause = threading.Event(), threading.Event()
    if is_fast:
        clock = fake = FakeClock()
        stop, pause = FastForward(fake), FastForward(fake)
    source = ReplaySource(folder, clock, pause)
    source.open()  # what is wrong with it is told here, once
    decoders, missing = load_decoders()
    for reason in missing:
        print(f"gated: fewer codes will be read: {reason}", file=sys.stderr)
    settings = ScannerSettings(camera=Camera.REPLAY)
    if config_file is not None:
        settings = load_gate(config_file).scanner
    printer = Printer(source, as_json=as_json)
    loop = ScannerLoop(source, Cascade(decoders), printer, clock, hold_off_s=settings.hold_off_s)
    try:
        while not source.is_over:
            loop.step(stop)
    finally:
        source.close()
    return ExitCode.OK


class FastForward(threading.Event):
    """Waits by moving ``clock``, which takes no time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.advance(timeout or 0.0)
        return self.is_set()


class Printer:
    """Stands in for the way to the controller: prints what is seen, with its recorded time.

    Args:
        source: what is played.
        as_json: one JSON object a line.
    """

    def __init__(self, source: ReplaySource, *, as_json: bool) -> None:
        self._source = source
        self._as_json = as_json

    def send(self, payload: bytes) -> bool:
        sighting = decode_sighting(payload)
        if isinstance(sighting, CodeSeen | CodeUnread):
            line = to_line(sighting, self._source.position_s)
            print(to_json(line) if self._as_json else in_words(line), flush=True)
        return True


def to_line(sighting: CodeSeen | CodeUnread, at_s: float) -> dict[str, object]:
    """Return ``sighting``, of ``at_s`` seconds after the recording's beginning, for ``--json``."""
    if isinstance(sighting, CodeUnread):
        return {"at_s": round(at_s, 3), "unread": sighting.cause.value}
    return {
        "at_s": round(at_s, 3),
        "text": sighting.text,
        "decoder": sighting.decoder,
        "colour": sighting.colour.value,
        "is_ambiguous": sighting.is_ambiguous,
    }


def in_words(line: dict[str, object]) -> str:
    """Return what ``to_line`` gave, for people."""
    if "unread" in line:
        what = f"not read: {line['unread']}"
    elif line["is_ambiguous"]:
        what = f"two different codes  ({line['decoder']})"
    else:
        what = f"{printable(str(line['text'])) or 'not a text'}  ({line['decoder']})"
    return f"{line['at_s']:8.2f} s  {what}"
