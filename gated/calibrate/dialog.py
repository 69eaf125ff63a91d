"""What ``gated calibrate`` asks and tells: questions only where somebody can answer them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TextIO

from gated.errors import ExitCode, GatedError
from gated.texts import Language, say

Text = tuple[str, str]
"""Simplified Chinese, English."""

_YES = frozenset({"y", "yes", "是"})
_NOTHING_WRITTEN: Text = ("已放弃，未写入任何内容", "given up; nothing is written")


class Answers(Protocol):
    """Standard input, or whoever answers in its place."""

    def isatty(self) -> bool: ...

    def readline(self) -> str: ...


class GivenUp(GatedError):
    """Whoever was asked said no, or nothing."""

    exit_code = ExitCode.FAILED


@dataclass(slots=True)
class Dialog:
    """Speaks the terminal's language: results to ``out``, questions and progress to ``aside``."""

    answers: Answers
    out: TextIO
    aside: TextIO
    language: Language
    has_answers: bool = field(init=False)  # somebody sits there

    def __post_init__(self) -> None:
        self.has_answers = self.answers.isatty()

    def say(self, text: Text) -> str:
        return say(text, self.language)

    def tell(self, text: Text) -> None:
        """Print one line of the result."""
        print(self.say(text), file=self.out, flush=True)

    def note(self, text: Text) -> None:
        """Print one line beside the result: progress, a warning, what to do next."""
        print(self.say(text), file=self.aside, flush=True)

    def ask(self, question: Text, instead: str) -> str:
        """Return the answer to ``question``, stripped.

        Raises: GivenUp: nobody can be asked (``instead`` says which option to give), or the answer
            is the end of the input.
        """
        if not self.has_answers:
            nobody = self.say(("此处无人可问", "nobody can be asked here"))
            raise GivenUp(f"{self.say(question)} — {nobody}: {instead}")
        print(f"{self.say(question)} ", end="", file=self.aside, flush=True)
        answer = self.answers.readline()
        if not answer:
            raise GivenUp(self.say(_NOTHING_WRITTEN))
        return answer.strip()

    def confirm(self, question: Text, *, is_sure: bool) -> None:
        """Return if ``is_sure``, or the answer is yes. Raises: GivenUp: it is not."""
        if is_sure:
            return
        zh, en = question
        answer = self.ask((f"{zh} yes / no?", f"{en} yes / no?"), "--yes (若确定，请加 --yes)")
        if answer.lower() not in _YES:
            raise GivenUp(self.say(_NOTHING_WRITTEN))

    def number(self, question: Text, low: float, high: float, instead: str) -> float | None:
        """Return a number from ``low`` to ``high``, asking again; None: an empty answer."""
        while True:
            answer = self.ask(question, instead).replace(",", ".")
            if not answer:
                return None
            try:
                value = float(answer)
            except ValueError:
                value = float("nan")
            if low <= value <= high:
                return value
            self.note(
                (f"请输入 {low:g} 到 {high:g} 的数", f"a number from {low:g} to {high:g}, please")
            )
