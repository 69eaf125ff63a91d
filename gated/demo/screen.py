"""The demo's terminal: one line for each thing that the ledger records, and a status below them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from gated.collector.texts import ALARMS
from gated.contents import AlarmName, Kind
from gated.ledger.reader import StoredEvent
from gated.simulation.actors import Staging
from gated.texts import CLAIM_STEPS, MODES, OUTCOMES, PASSAGES, PROMPTS, REASONS, RELEASES
from gated.vocabulary import ClaimStep, Mode, Outcome, PassageResult, Prompt, Reason, ReleaseResult
from gated.wire import parse_json

_COLOUR = {
    Outcome.GRANTED: "32",
    Outcome.SCREENED_ONLY: "36",
    Outcome.DENIED: "33",
    Outcome.SEE_STAFF: "33",
    Outcome.ABANDONED: "90",
}
_QUIET = "90"
_GATE = frozenset({PassageResult.HELD_OPEN, PassageResult.FORCED, PassageResult.NOBODY_PASSED})


class Screen:
    """Prints events as they are recorded. Colours and a status only on a terminal."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        self._status = ""

    def show(self, event: StoredEvent, stagings: Iterable[Staging]) -> None:
        """Print ``event`` if it is one that an onlooker cares about."""
        line = _line_of(event.kind, parse_json(event.body))
        if line is not None:
            text, colour = line
            self._line(f"{event.at[11:19]}  {_who(event.visit_id, stagings):<44} {text}", colour)

    def say(self, text: str) -> None:
        print(f"\x1b[K{text}" if self._status else text, flush=True)
        self.refresh()

    def keep(self, status: str) -> None:
        """Let ``status`` stand below all lines of a terminal; "" takes it away."""
        if self._status and not status:
            print("\x1b[K", end="", flush=True)
        self._status = status if self.is_terminal else ""
        self.refresh()

    def refresh(self) -> None:
        """Write the status again: a process may have logged a line over it."""
        if self._status:
            # The cursor stays at its beginning, so that a line of the log covers it.
            print(f"{self._status}\x1b[K\r", end="", flush=True)

    def _line(self, text: str, colour: str) -> None:
        self.say(f"\x1b[{colour}m{text}\x1b[0m" if self.is_terminal else text)


def _line_of(kind: str, body: Mapping[str, object]) -> tuple[str, str] | None:
    """Return (text, colour) of an event, or None for one that says nothing to an onlooker."""
    match kind:
        case Kind.VISIT:
            outcome = Outcome(str(body["outcome"]))
            return _describe(body, outcome), _COLOUR[outcome]
        case Kind.RELEASE:
            zh, en = RELEASES[ReleaseResult(str(body["result"]))]
            contact = body.get("contact_c")
            value = f" (contact {contact:.1f} °C)" if isinstance(contact, float) else ""
            return f"{en}{value}  {zh}", "32"
        case Kind.CLAIM:
            zh, en = CLAIM_STEPS[ClaimStep(str(body["step"]))]
            return f"· {en}  {zh}", _QUIET
        case Kind.PASSAGE if body["result"] in _GATE:
            zh, en = PASSAGES[PassageResult(str(body["result"]))]
            return f"· {en}  {zh}", _QUIET
        case Kind.MODE:
            zh, en = MODES[Mode(str(body["to_mode"]))]
            return f"· mode: {en}, by {body['by']}  模式：{zh}", _QUIET
        case Kind.ALARM if body["device"] is not None:
            zh, en = ALARMS[AlarmName(str(body["alarm"]))]
            return f"· {en}: {body['device']}  {zh}：{body['device']}", _QUIET
        case _:
            return None


def _who(visit_id: str | None, stagings: Iterable[Staging]) -> str:
    for staging in stagings:
        if visit_id in staging.visit_ids:
            statures = (f"{role.person.stature_m:.2f}" for role in staging.act.roles)
            return f"{staging.act.kind.value}, {' and '.join(statures)} m"
    return ""


def _describe(body: Mapping[str, object], outcome: Outcome) -> str:
    zh, en = OUTCOMES[outcome]
    body_c = body.get("body_c")
    shown = f"{body_c:5.2f} °C" if isinstance(body_c, float) else "  –     "
    reasons = body.get("reasons")
    names = [Reason(r) for r in reasons] if isinstance(reasons, list) else []
    would = f"would be: {body['would_have']}" if body.get("would_have") else ""
    why = ", ".join(REASONS[name][1] for name in names) or would
    hints = body.get("hints")
    told = [PROMPTS[Prompt(h)][1] for h in hints] if isinstance(hints, list) else []
    prompt_zh, prompt_en = PROMPTS[Prompt(str(body["prompt"]))]
    said = " → ".join(f"“{text}”" for text in (*told, prompt_en))
    return f"{shown}  {en:<13} {why:<32} {said}  {zh}：{prompt_zh}"
