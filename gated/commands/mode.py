"""``gated mode``: show how the gate is run, or change it."""

from __future__ import annotations

import argparse
import re
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ExitCode, GatedError, StorageError
from gated.facts.login import who
from gated.vocabulary import Mode

if TYPE_CHECKING:
    from gated.clock import Clock
    from gated.config import PathSettings
    from gated.contents import ModeContent
    from gated.controller.control import ModeRequest
    from gated.facts.running import ControllerStatus
    from gated.ledger.reader import LedgerReader
    from gated.texts import Language

HELP = "show or change the mode: normal, closed, observe 运行模式"
EPILOG = """\
normal   every check applies 正常
closed   only the duty categories may enter, until it is changed 封闭
observe  opens on a good pass whatever the thermometer says, and records what it would have done;
         for the first week, to tune the gate; ends after visit.observe_for_h at the latest 试运行

The mode is kept over a restart. --for ends it by itself, back to normal, and with it a drill. A
drill is recorded as such and left out of the reports; --drill alone leaves the mode and its end.
"""

TAKEN_OVER_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.1
_MANY_EVENTS = 500
"""More than a gate records while somebody waits for an answer."""
_SPAN = re.compile(r"([0-9]{1,5})([mhd])")
_SECONDS_OF = {"m": 60, "h": 3_600, "d": 86_400}
_MAX_SPAN_S = 366 * 86_400

_WARNING = """\
gated: observe lets in whom the thermometer would stop; nobody is kept out for a temperature. \
试运行期间不因体温拦人。
gated: it ends by itself then, at the latest after visit.observe_for_h; sooner: gated mode normal. \
到时自动转为正常；提前结束: gated mode normal"""

Pause = Callable[[float], object]


class _NotRunning(GatedError):
    exit_code = ExitCode.UNAVAILABLE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "mode",
        nargs="?",
        type=Mode,
        choices=Mode,
        metavar="normal|closed|observe",
        help="none: show the mode in force",
    )
    parser.add_argument("--drill", choices=("on", "off"), help="a drill begins or ends 演练")
    parser.add_argument(
        "--for", dest="for_s", type=parse_span, metavar="8h|30m|2d", help="then back to normal"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: $GATED_CONFIG, or /etc/gated/gated.toml",
    )


def parse_span(text: str) -> float:
    """Return ``8h``, ``30m`` or ``2d`` in s."""
    match = _SPAN.fullmatch(text)
    seconds = int(match[1]) * _SECONDS_OF[match[2]] if match is not None else 0
    if not 0 < seconds <= _MAX_SPAN_S:
        raise argparse.ArgumentTypeError("write it like 30m, 8h or 2d, up to 366d")
    return float(seconds)


def run(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.config.load import default_file, load_gate
    from gated.controller.control import ModeRequest
    from gated.texts import cli_language

    paths = load_gate(args.config or default_file()).paths
    clock, language = SystemClock(), cli_language()
    if args.mode is None and args.for_s is not None:
        raise GatedError("--for needs a mode that it ends: gated mode normal --drill on --for 1h")
    if args.mode is None and args.drill is None:
        print(describe(_running(paths, clock), _mode_until(paths), language))
        return int(ExitCode.OK)
    request = ModeRequest(
        mode=args.mode,
        drill=None if args.drill is None else args.drill == "on",
        for_s=args.for_s,
        by=who(),
    )
    status = change(request, paths, clock, threading.Event().wait)
    print(describe(status, _mode_until(paths), language))
    if status.mode is Mode.OBSERVE:
        print(_WARNING, file=sys.stderr)
    return int(ExitCode.OK)


def change(
    request: ModeRequest, paths: PathSettings, clock: Clock, pause: Pause
) -> ControllerStatus:
    """Ask the controller for ``request``; return its status once that is in force and recorded.

    ``pause`` waits the given number of seconds.

    Raises: GatedError: no controller takes it, it is not taken over in time, or not recorded.
    """
    from gated.controller.control import CONTROL_SOCKET, encode_request
    from gated.datagrams import Sender
    from gated.ledger.reader import LedgerReader

    _running(paths, clock)
    with closing(LedgerReader(paths.state / "ledger.db")) as reader:
        asked = _Asked(request, reader.bounds().newest_seq, clock.boottime_ms())
        with closing(Sender(paths.run / CONTROL_SOCKET)) as sender:
            try:
                is_sent = sender.send(encode_request(request))
            except StorageError as exc:
                raise GatedError(f"{exc}; use sudo: only root and the gate's user may") from exc
        if not is_sent:
            raise _NotRunning(f"no controller listens at {paths.run / CONTROL_SOCKET}; {_START}")
        return _wait(asked, reader, paths, clock, pause)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for, and when: nothing older can be the answer."""

    request: ModeRequest
    after_seq: int
    at_boottime_ms: int

    def is_shown_by(self, status: ControllerStatus) -> bool:
        request = self.request
        return (
            status.boottime_ms >= self.at_boottime_ms
            and request.mode in (None, status.mode)
            and request.drill in (None, status.drill)
        )

    def is_recorded_in(self, reader: LedgerReader) -> bool:
        from gated.contents import Kind, ModeContent
        from gated.wire import parse_json

        for event in reader.after(self.after_seq, _MANY_EVENTS):
            if event.kind == Kind.MODE:
                body = parse_json(event.body)
                members = {name: body.get(name) for name in ModeContent.model_fields}
                if self._is_done_by(ModeContent.model_validate(members)):
                    return True
        return False

    def _is_done_by(self, done: ModeContent) -> bool:
        request = self.request
        return (
            done.by == request.by
            and request.mode in (None, done.to_mode)
            and request.drill in (None, done.to_drill)
        )


_START = "start it: sudo systemctl start gated.target, or without systemd: gated run --config FILE"


def _wait(
    asked: _Asked, reader: LedgerReader, paths: PathSettings, clock: Clock, pause: Pause
) -> ControllerStatus:
    until_s = clock.monotonic_s() + TAKEN_OVER_WITHIN_S
    shown: ControllerStatus | None = None
    while clock.monotonic_s() < until_s:
        pause(_LOOK_EVERY_S)
        status = _running(paths, clock)
        shown = status if asked.is_shown_by(status) else None
        if shown is not None and asked.is_recorded_in(reader):
            return shown
    if shown is not None and shown.mode is asked.request.mode is Mode.CLOSED:
        raise GatedError(
            "closed is in force, but it could not be recorded and will be forgotten at a restart: "
            "see gated status"
        )
    raise GatedError(
        f"the controller did not take it over within {TAKEN_OVER_WITHIN_S:g} s: it obeys only root "
        "and its own user (use sudo), and only what it can record (see gated status)"
    )


def _running(paths: PathSettings, clock: Clock) -> ControllerStatus:
    """Return the controller's status. Raises: GatedError: none runs."""
    from gated.controller.crashes import sentence
    from gated.facts.running import ControllerStatus, read_running

    status = read_running(paths.run, clock)
    if not isinstance(status, ControllerStatus):
        raise _NotRunning(f"the controller is not running; {_START}")
    if status.safe_mode_after is not None:
        raise _NotRunning(sentence(status.safe_mode_after)[1])
    return status


def _mode_until(paths: PathSettings) -> str | None:
    """Return when the mode ends by itself, RFC 3339, or None."""
    from gated.ledger.reader import LedgerReader

    with closing(LedgerReader(paths.state / "ledger.db")) as reader:
        return reader.setting("mode_expires_at") or None


def describe(status: ControllerStatus, until: str | None, language: Language) -> str:
    """Return the mode in words."""
    from gated.texts import MODES, say

    zh, en = MODES[status.mode]
    text = say((f"{status.mode.value} {zh}", en), language)
    if until is not None:
        shown = until[:16].replace("T", " ")
        text += say((f"，到 {shown}", f", until {shown}"), language)
    if status.drill:
        text += say(("，演练中", ", drill"), language)
    return text
