"""A timer in the kernel that kills this process: who is stopped or frozen hears nothing else."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import ClassVar

from gated.errors import ActuationError

_SIGEV_SIGNAL = 0  # <bits/sigevent-consts.h>
_SIGEVENT_BYTES = 64  # <bits/types/sigevent_t.h>: __SIGEV_MAX_SIZE
_NS = 1_000_000_000


class _SigEvent(ctypes.Structure):
    _fields_: ClassVar = [
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("pad", ctypes.c_char * (_SIGEVENT_BYTES - ctypes.sizeof(ctypes.c_void_p) - 8)),
    ]


class _TimerSpec(ctypes.Structure):
    """``struct itimerspec``: two ``struct timespec``, the interval and the time until it fires."""

    _fields_: ClassVar = [
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    ]


class KillTimer:
    """Sends SIGKILL to this process unless it is called off, as in timer_create(2).

    Not SIGALRM: a stopped process acts on no signal but SIGKILL. A child does not inherit it.
    Raises: ActuationError: the kernel gives no timer.
    """

    def __init__(self) -> None:
        self._c = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        event = _SigEvent(signo=signal.SIGKILL, notify=_SIGEV_SIGNAL)
        made = self._c.timer_create(
            time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._timer)
        )
        self._check(made)

    def arm(self, after_s: float) -> None:
        """Kill in ``after_s`` seconds, instead of when it was said before."""
        self._set(max(1, round(after_s * _NS)))

    def call_off(self) -> None:
        self._set(0)

    def _set(self, after_ns: int) -> None:
        spec = _TimerSpec(value_s=after_ns // _NS, value_ns=after_ns % _NS)
        self._check(self._c.timer_settime(self._timer, 0, ctypes.byref(spec), None))

    def _check(self, answer: int) -> None:
        if answer != 0:
            reason = os.strerror(ctypes.get_errno())
            raise ActuationError(f"the relay's guard has no timer: {reason}", device="relay")
