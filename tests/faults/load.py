"""What a gate records on a busy day: visits, their passages, now and then an alarm."""

from __future__ import annotations

import random

from gated.clock import Clock, TimeQuality
from gated.contents import AlarmContent, AlarmName, PassageContent, VisitContent
from gated.vocabulary import Direction, Mode, Outcome, PassageResult, Prompt
from gated.wire import Draft, PassUse, PersonLink, Stamp, commit_to_holder

_PASSES = 40
_ALARM_SHARE = 0.03
_LINK_SHARE = 0.5
_USE_SHARE = 0.3


class Load:
    """Draws drafts. Every one has a name of its own, by which it is found again.

    Args:
        name: begins every name; another one for each process, so that none comes twice.
        rng: decides who comes.
        clock: stamps them.
        time_quality: how far that clock is believed.
    """

    def __init__(
        self, name: str, rng: random.Random, clock: Clock, time_quality: TimeQuality
    ) -> None:
        self._name = name
        self._rng = rng
        self._clock = clock
        self._time_quality = time_quality
        self._made = 0
        self._inside: str | None = None  # whose passage comes next

    def draw(self) -> tuple[str, Draft]:
        """Return (name, draft) of the next event. The name stands in the body."""
        if self._inside is not None:
            name, self._inside = self._inside, None
            return name, self._passage(name)
        self._made += 1
        name = f"{self._name}-{self._made}"
        if self._rng.random() < _ALARM_SHARE:
            return name, self._alarm(name)
        self._inside = name
        return name, self._visit(name)

    def _visit(self, name: str) -> Draft:
        rng = self._rng
        link = use = None
        if rng.random() < _LINK_SHARE:
            link = PersonLink(f"k1:{rng.getrandbits(64):016x}", "c2FsdHNhbHRzYWx0c2FsdA")
        if rng.random() < _USE_SHARE:
            use = PassUse(f"k1:pass{rng.randrange(_PASSES)}", rng.choice(list(Direction)))
        content = VisitContent(
            visit_id=name,
            direction=Direction.IN,
            outcome=Outcome.GRANTED,
            reason=None,
            prompt=Prompt.GO,
            body_c=round(rng.uniform(35.5, 37.2), 2),
            threshold_c=37.3,
            threshold_inclusive=True,
            holder_commitment=None if link is None else commit_to_holder(link),
            holder_group="班" * rng.randrange(1, 40),
        )
        return Draft(content, self._stamp(), link=link, use=use, opens_visit=name)

    def _passage(self, name: str) -> Draft:
        results = [PassageResult.PASSED, PassageResult.PASSED, PassageResult.NOBODY_PASSED]
        result = self._rng.choice(results)
        is_back = result is PassageResult.NOBODY_PASSED
        return Draft(
            PassageContent(visit_id=name, result=result),
            self._stamp(),
            closes_visit=name,
            gives_back_use_of=name if is_back else None,
        )

    def _alarm(self, name: str) -> Draft:
        return Draft(AlarmContent(alarm=AlarmName.DEVICE_LOST, visit_id=name), self._stamp())

    def _stamp(self) -> Stamp:
        return Stamp(
            at=self._clock.now().isoformat(timespec="milliseconds"),
            time_quality=self._time_quality,
            boot_ms=self._clock.boottime_ms(),
            mode=Mode.NORMAL,
            drill=False,
            rules="faults",
            software="faults",
        )
