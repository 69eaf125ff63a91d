"""Notices changes of the files that codes are judged by, and which of them must not be taken.

Files come by hand, by ``gated trust``, by copying programs: a change counts once nothing has moved
between two looks, so that a file is not read while it is being written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from gated.clock import Clock
from gated.config import CredentialSettings
from gated.controller.codes import CodeRules
from gated.controller.pushed_trust import PUSHED_FOLDER, is_pushed, source_of
from gated.units import MonoSeconds

LOOK_EVERY_S = 2.0
TAKES_EFFECT_WITHIN_S = 10.0
"""What commands promise: two looks that agree, and the time to read long lists on a small board."""

FOLDERS = ("trust", "revocations")
FILES = ("revocation_file", "persons_list_file", "duty_list_file")
"""Keys of ``[credentials]`` that are read again by themselves."""

_NAMES_SHOWN = 20
_SENTENCES_SHOWN = 5

_WHOLE_FOLDER = ""

Traces: TypeAlias = Mapping[tuple[str, str], tuple[int, ...] | str]
"""(key, file name) → what changes with the file, or why it cannot be looked at.

A folder that cannot be read stands as a file without a name.
"""


@dataclass(frozen=True, slots=True)
class ListsChanged:
    """Which files are new, different or gone, by name, and the keys that name them."""

    traces: Traces
    keys: tuple[str, ...]
    names: tuple[str, ...]

    def sentence(self) -> str:
        """Return the files' names for a record; names only, and harmless ones."""
        shown = [f"{name!a}" for name in self.names[:_NAMES_SHOWN]]
        more = len(self.names) - len(shown)
        return "files changed: " + ", ".join(shown) + (f" and {more} more" if more else "")


class ListWatch:
    """Looks at the watched files every ``LOOK_EVERY_S``. One thread only.

    Args:
        settings: which files; asked at each look, since a reload may name others.
        state: the state folder, where what the centre pushed lies.
        clock: for the intervals.
    """

    def __init__(
        self, settings: Callable[[], CredentialSettings], state: Path, clock: Clock
    ) -> None:
        self._settings = settings
        self._state = state
        self._clock = clock
        self._taken = self._traces()
        self._refused: Traces | None = None
        self._seen: Traces | None = None
        self._look_at_s = MonoSeconds(clock.monotonic_s() + LOOK_EVERY_S)

    def look(self) -> ListsChanged | None:
        """Return what has changed since the files were last taken or refused, once it is quiet."""
        if self._clock.monotonic_s() < self._look_at_s:
            return None
        self._look_at_s = MonoSeconds(self._clock.monotonic_s() + LOOK_EVERY_S)
        traces = self._traces()
        is_quiet, self._seen = traces == self._seen, traces
        if traces == self._taken:
            self._refused = None
            return None
        return self._change(traces) if is_quiet and traces != self._refused else None

    def now(self) -> ListsChanged:
        """Return what has changed, quiet or not: for whoever reads the files at once."""
        return self._change(self._traces())

    def take(self, change: ListsChanged) -> None:
        """Remember that the files are in force as ``change`` found them."""
        self._taken, self._refused = change.traces, None

    def refuse(self, change: ListsChanged) -> None:
        """Remember that they cannot be used like this: it is said once."""
        self._refused = change.traces

    def _traces(self) -> Traces:
        return traces_of(self._settings(), self._state)

    def _change(self, traces: Traces) -> ListsChanged:
        different = sorted(
            key
            for key in traces.keys() | self._taken.keys()
            if traces.get(key) != self._taken.get(key)
        )
        keys = dict.fromkeys(f"credentials.{key}" for key, _ in different)
        names = tuple(name or f"the whole folder {key}" for key, name in different)
        return ListsChanged(traces, tuple(keys), names)


def traces_of(settings: CredentialSettings, state: Path) -> Traces:
    """Return what changes when a watched file does."""
    traces: dict[tuple[str, str], tuple[int, ...] | str] = {}
    for key in FOLDERS:
        folder: Path | None = getattr(settings, key)
        if folder is not None:
            traces |= {(key, name): trace for name, trace in _folder_traces(folder)}
    for key in FILES:
        file: Path | None = getattr(settings, key)
        if file is not None:
            traces[key, file.name] = _trace(file)
    pushed = state / PUSHED_FOLDER
    if pushed.exists():
        traces |= {("trust", source_of(name)): trace for name, trace in _folder_traces(pushed)}
    return traces


def _folder_traces(folder: Path) -> Iterator[tuple[str, tuple[int, ...] | str]]:
    try:
        files = list(folder.iterdir())
    except OSError as exc:
        yield _WHOLE_FOLDER, f"cannot be read ({exc.strerror})"
        return
    for file in files:
        yield file.name, _trace(file)


def _trace(file: Path) -> tuple[int, ...] | str:
    try:
        now = file.stat()
    except OSError as exc:
        return f"cannot be read ({exc.strerror})"
    # The inode and ctime too: a program that copies can keep both the size and the mtime.
    return (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino)


def why_not(old: CodeRules, new: CodeRules, traces: Traces) -> str | None:
    """Return why ``new`` must not replace ``old``: it lacks what a file gave that is still there.

    A broken copy of a key file would otherwise lock everybody out, and one of a list would let the
    revoked in. A file that is gone was taken away on purpose. A new one that cannot be used costs
    nothing but a warning.
    """
    lost = [*_lost_keys(old, new, traces), *_lost_lists(old, new, traces)]
    if not lost:
        return None
    sentences = new_problems(old, new) or [f"{name!a} cannot be used any more" for name in lost]
    return "; ".join(sentences[:_SENTENCES_SHOWN])


def _lost_keys(old: CodeRules, new: CodeRules, traces: Traces) -> Iterator[str]:
    # What the centre pushed goes with the key that signed it, its file there or not.
    had = {key.source for keys in old.trust.keys.values() for key in keys if not is_pushed(key)}
    has = {key.source for keys in new.trust.keys.values() for key in keys}
    yield from _still_there("trust", had - has, traces)


def _lost_lists(old: CodeRules, new: CodeRules, traces: Traces) -> Iterator[str]:
    if old.revocations is None or new.revocations is None:
        return
    had = {each.name for each in old.revocations.found if not each.is_kept}
    has = {each.name for each in new.revocations.found if not each.is_kept}
    yield from _still_there("revocations", had - has, traces)


def _still_there(key: str, names: set[str], traces: Traces) -> Iterator[str]:
    """Yield those of ``names`` that were not taken away; all, if the folder cannot be read."""
    is_readable = (key, _WHOLE_FOLDER) not in traces
    for name in sorted(names):
        if not is_readable or (key, name) in traces:
            yield name


def new_problems(old: CodeRules, new: CodeRules) -> list[str]:
    """Return what ``new`` has to say of files that ``old`` had not."""
    said = set(problems_of(old))
    return [problem for problem in problems_of(new) if problem not in said]


def problems_of(rules: CodeRules) -> tuple[str, ...]:
    """Return every sentence about files that cannot be used."""
    of_lists = () if rules.revocations is None else rules.revocations.problems
    return (*rules.trust.problems, *of_lists)
