"""Codes that the issuer's platform is asked about: whose they are until the answer comes."""

from __future__ import annotations

from dataclasses import replace

from gated.messages import CodeAwaited, Credential
from gated.units import MonoSeconds
from gated.visit.staff import Staff
from gated.visit.state import Phase, Visit
from gated.visit.step import with_code_shown


class Awaiting(Staff):
    """A code belongs to whoever stood there when it was shown, not when its answer comes."""

    def _code_awaited(self, event: CodeAwaited) -> None:
        if event.is_slow:
            waiting = self._awaiting(event.question)
            if waiting is not None:
                self._put(replace(waiting, is_answer_slow=True))
                self._refresh_prompt()
            return
        # After a staff card a code says whom staff means: it begins nothing.
        if self._claim(event.at) is not None or self._begins_nothing(event.credential):
            return
        visit = self._visit_of_code(event.credential, event.at)
        if visit is None:
            return
        visit = replace(
            with_code_shown(visit, event.at),
            credential=None,  # an older code gives way, as it does to one verified at the gate
            awaited=event.question,
            is_answer_slow=False,
        )
        self._put(visit)
        self._refresh_prompt()

    def _answer_came(self, question: str, credential: Credential, at: MonoSeconds) -> None:
        """Take the answer for the visit that waits for it; whose visit is over gets none."""
        visit = self._awaiting(question)
        if visit is None:
            self._names_whom_to_release(credential, at)
            return
        visit = replace(visit, awaited=None, is_answer_slow=False)
        if self._accepts(visit, credential):
            visit = replace(visit, credential=credential, last_progress_at=at, has_hinted=False)
        self._put(visit)
        self._evaluate(visit, at)

    def _awaiting(self, question: str) -> Visit | None:
        measuring = self._in(Phase.MEASURING)
        return next((visit for visit in measuring if visit.awaited == question), None)
