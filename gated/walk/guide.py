"""Leads somebody through the steps: says what comes, lets it happen, asks how it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from gated.config import GateConfig
from gated.texts import Language, say
from gated.walk.course import Evidence, Mark, Move, Phase, Result, Text, react, unreached
from gated.walk.steps import BRIEF, Step
from gated.walk.terminal import Ended, Terminal
from gated.walk.trial import Running, Show, Trial
from gated.walk.words import MARKS, QUESTIONS, announce, keys, mends

LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Walked:
    """What came of a walk, whole or not."""

    results: tuple[Result, ...]
    ended_by: int = 0  # a signal; 0: it came to its end, or was stopped by a key


class Guide:
    """One walk.

    Args:
        config: of the gate.
        trial_of: what tries a step that is configured; None: it is only asked about.
    """

    def __init__(
        self,
        config: GateConfig,
        trial_of: Callable[[Step], Trial | None],
        terminal: Terminal,
        language: Language,
    ) -> None:
        self._config = config
        self._trial_of = trial_of
        self._terminal = terminal
        self._language = language

    def walk(self, steps: Sequence[Step]) -> Walked:
        """Try every step. Whatever is at work when the walk is ended is let go before this ends."""
        done: list[Result] = []
        try:
            number, last = 0, sum(step.is_configured for step in steps)
            for step in steps:
                if not step.is_configured:
                    done.append(Result(step, Mark.NOT_CONFIGURED))
                    continue
                number += 1
                self._terminal.line(f"\n{number}/{last} {step.id} ({step.wire})")
                result = self._step(step)
                if result is None:
                    break
                done.append(result)
        except Ended as exc:
            return Walked(unreached(steps, done), exc.number)
        return Walked(unreached(steps, done))

    def _step(self, step: Step) -> Result | None:
        """Return what came of one step; None: the walk stops here."""
        while True:
            self._terminal.forget_keys()
            self._line(announce(step, self._config))
            move = self._ask(step, Phase.ANNOUNCED)
            if move is Move.TRY:
                result, move = self._try(step)
                if result is not None:
                    return result
            if move is Move.SKIP:
                return self._said(Result(step, Mark.SKIPPED))
            if move is Move.STOP:
                return None

    def _ask(self, step: Step, phase: Phase) -> Move:
        """Return what is to be done next."""
        self._line(keys(step, phase))
        while True:
            move = react(step, phase, self._terminal.key(LOOK_EVERY_S))
            if move is not Move.NOTHING:
                return move

    def _try(self, step: Step) -> tuple[Result | None, Move]:
        """Return the result, or what else is to be done. Nothing is at work any more then."""
        trial = self._trial_of(step)
        with closing(Running(trial or _nothing, step.id)) as running:
            if step.what in BRIEF:
                while running.is_busy:
                    self._pass_on(running)
                    self._terminal.key(LOOK_EVERY_S)
            move = Move.NOTHING
            if not running.trouble:
                self._line(QUESTIONS[step.what])
                self._line(keys(step, Phase.TRIED))
                move = self._answer(step, running)
            running.close()
            self._pass_on(running)
        if running.trouble and move in {Move.WORKS, Move.FAILS, Move.NOTHING}:
            return self._broken(step, running)
        mark = {Move.WORKS: Mark.WORKS, Move.FAILS: Mark.FAILS}.get(move)
        if mark is None:
            return None, move
        return self._said(Result(step, mark, running.evidence)), move

    def _answer(self, step: Step, running: Running) -> Move:
        """Return the answer; NOTHING: it came to nothing before there was one."""
        while True:
            self._pass_on(running)
            move = react(step, Phase.TRIED, self._terminal.key(LOOK_EVERY_S))
            if move is not Move.NOTHING:
                return move
            if running.trouble and not running.is_busy:
                return Move.NOTHING

    def _broken(self, step: Step, running: Running) -> tuple[Result | None, Move]:
        """Say why it came to nothing, and ask what is to become of it."""
        self._terminal.line(f"  ! {running.trouble}")
        self._tell_mends(step)
        move = self._ask(step, Phase.BROKEN)
        if move is not Move.FAILS:
            return None, move
        result = Result(step, Mark.FAILS, Evidence(), running.trouble)
        self._line(_arrow(result))
        return result, move

    def _said(self, result: Result) -> Result:
        self._line(_arrow(result))
        if result.mark is Mark.FAILS:
            self._tell_mends(result.step)
        if result.is_doubtful and result.evidence.doubt is not None:
            zh, en = result.evidence.doubt
            self._line((f"  ~ 但{zh}", f"  ~ yet {en}"))
        return result

    def _tell_mends(self, step: Step) -> None:
        for zh, en in mends(step):
            self._line((f"  · {zh}", f"  · {en}"))

    def _pass_on(self, running: Running) -> None:
        for line in running.show.take():
            text = say(line.text, self._language)
            (self._terminal.live if line.is_live else self._terminal.line)(text)

    def _line(self, text: Text) -> None:
        self._terminal.line(say(text, self._language))


def _arrow(result: Result) -> Text:
    zh, en = MARKS[result.mark]
    return f"→ {zh}", f"→ {en}"


def _nothing(_show: Show, _stop: object) -> Evidence:
    """Nothing is moved or read: somebody knows the answer."""
    return Evidence()
