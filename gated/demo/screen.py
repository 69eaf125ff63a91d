"""The demo's terminal: one line for each thing that the ledger records."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from gated.contents import Kind
from gated.ledger.reader import StoredEvent
from gated.simulation.actors import Staging
from gated.texts import OUTCOMES, PROMPTS, REASONS, RELEASES
from gated.vocabulary import Outcome, Prompt, Reason, ReleaseResult
from gated.wire import parse_json

_COLOUR = {
    Outcome.GRANTED: "32",
    Outcome.SCREENED_ONLY: "36",
    Outcome.DENIED: "33",
    Outcome.SEE_STAFF: "33",
    Outcome.ABANDONED: "90",
}
_SHOWN = (Kind.VISIT, Kind.RELEASE)


class Screen:
    """Prints events as they are recorded. Colours only on a terminal."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()

    def show(self, event: StoredEvent, stagings: Iterable[Staging]) -> None:
        """Print ``event`` if it is one that an onlooker cares about."""
        if event.kind not in _SHOWN:
            return
        body = parse_json(event.body)
        who = _who(event.visit_id, stagings)
        time = event.at[11:19]
        if event.kind == Kind.RELEASE:
            result = ReleaseResult(str(body["result"]))
            zh, en = RELEASES[result]
            contact = body.get("contact_c")
            value = "" if contact is None else f" (contact {contact:.1f} °C)"
            self._line(f"{time}  {who:<34} {en}{value}  {zh}", "32")
            return
        outcome = Outcome(str(body["outcome"]))
        self._line(f"{time}  {who:<34} {_describe(body, outcome)}", _COLOUR[outcome])

    def say(self, text: str) -> None:
        print(text, flush=True)

    def _line(self, text: str, colour: str) -> None:
        print(f"\x1b[{colour}m{text}\x1b[0m" if self._is_terminal else text, flush=True)


def _who(visit_id: str | None, stagings: Iterable[Staging]) -> str:
    for staging in stagings:
        if visit_id in staging.visit_ids:
            statures = (f"{role.person.stature_m:.2f}" for role in staging.act.roles)
            return f"{staging.act.kind.value}, {' and '.join(statures)} m"
    return "somebody"


def _describe(body: Mapping[str, object], outcome: Outcome) -> str:
    zh, en = OUTCOMES[outcome]
    body_c = body.get("body_c")
    shown = f"{body_c:5.2f} °C" if isinstance(body_c, float) else "  –     "
    reasons = body.get("reasons")
    names = [Reason(r) for r in reasons] if isinstance(reasons, list) else []
    why = ", ".join(REASONS[name][1] for name in names)
    prompt_zh, prompt_en = PROMPTS[Prompt(str(body["prompt"]))]
    return f"{shown}  {en:<13} {why:<32} “{prompt_en}”  {zh}:{prompt_zh}"
