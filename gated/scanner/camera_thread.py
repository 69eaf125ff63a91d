"""A thread for calls that may never return.

A camera's libraries can hang for good, in the kernel too: a wait can end, the call itself can't. So
the calls are made on a daemon thread, which can be left behind. An executor of
``concurrent.futures`` won't do: the interpreter joins its threads at its end, hung or not.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from gated.clock import Clock
from gated.errors import ExitCode, GatedError
from gated.units import MonoSeconds

T = TypeVar("T")


class CameraHung(GatedError):
    """A camera hangs, and nothing inside this process can free it.

    Not a DeviceError, because closing and opening again is no remedy: the worker guard ends the
    process, and the service manager starts another one.
    """

    exit_code = ExitCode.UNAVAILABLE


class CameraThread:
    """Makes calls one after another, in the order of ``start``, until ``end``.

    Args:
        name: of the thread.
        clock: for how long a call has taken.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self._clock = clock
        # Bounded by its users, who wait for one call before they start the next but one.
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._busy_since: MonoSeconds | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def start(self, call: Callable[[], T]) -> Future[T]:
        """Have ``call`` made. Return what will hold its result, or the GatedError it raised."""
        future: Future[T] = Future()
        self._calls.put(partial(_make, call, future))
        return future

    def end(self) -> None:
        """End the thread after the calls started so far."""
        self._calls.put(None)

    def busy_for_s(self) -> float:
        """Return for how long the present call has taken, in s; 0 between two calls."""
        since = self._busy_since
        return 0.0 if since is None else self._clock.monotonic_s() - since

    @property
    def is_busy(self) -> bool:
        return self._busy_since is not None

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            self._busy_since = self._clock.monotonic_s()
            call()
            self._busy_since = None


def _make(call: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(call())
    except GatedError as exc:
        future.set_exception(exc)
    finally:
        if not future.done():  # a defect: it ends this thread, with its traceback on stderr
            future.set_exception(CameraHung("the camera's thread died: its traceback says of what"))
