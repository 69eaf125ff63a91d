"""Work on many pictures by two processes at once, with a word on stderr now and then."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Work = TypeVar("Work")
Done = TypeVar("Done")

TELL_EVERY_S = 5.0
CHUNK = 5
"""The colours of one rendered cell: its code is drawn once for them."""


def map_beside(
    what: str, work: Callable[[Work], Done], items: Sequence[Work], jobs: int
) -> list[Done]:
    """Return ``work`` of each item, in order; by ``jobs`` processes."""
    if jobs == 1:
        return [work(item) for item in progress(what, items)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        done = pool.map(work, items, chunksize=CHUNK)
        return list(progress(what, done, len(items)))


def progress(what: str, items: Iterable[Done], count: int | None = None) -> Iterator[Done]:
    """Yield ``items``, telling now and then how far it has got."""
    total = count if count is not None else len(items) if isinstance(items, Sequence) else None
    began_s = told_s = time.monotonic()
    number = 0
    for number, item in enumerate(items, 1):
        yield item
        if time.monotonic() - told_s >= TELL_EVERY_S:
            told_s = time.monotonic()
            print(f"{what}: {number} of {total}", file=sys.stderr, flush=True)
    print(f"{what}: {number} in {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
