"""A call that may hang in a driver, and is not waited for longer than agreed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from gated.errors import DeviceError, GatedError

T = TypeVar("T")


class Overdue(DeviceError):
    """No answer in time. Whoever asked goes on; the call is left behind."""


def bounded(call: Callable[[], T], within_s: float, name: str) -> T:
    """Return what ``call`` returns, or raise what it raises of ours.

    Raises: Overdue: after ``within_s``.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except GatedError as exc:
            answer.set_exception(exc)
        finally:
            answer.cancel()  # a defect: its traceback is told by the thread, and nobody waits

    # A daemon: whoever hangs in a driver cannot be stopped, and must not keep the process.
    threading.Thread(target=work, name=f"probe {name}", daemon=True).start()
    try:
        return answer.result(within_s)
    except TimeoutError as exc:
        raise Overdue(f"no answer within {within_s:g} s", device=name) from exc
