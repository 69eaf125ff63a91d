"""Signals of the system, turned into calls on a thread of their own.

A handler runs in the main thread between any two instructions, also inside ``Event.wait`` of that
very event, whose lock is then held: ``Event.set`` in a handler can wait for ever for itself.
``SimpleQueue.put`` is the one thing of the library that is made for handlers.
"""

from __future__ import annotations

import atexit
import signal
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue

_ENDS_WITHIN_S = 1.0


def heed_signals(actions: Mapping[signal.Signals, Callable[[], None]]) -> None:
    """Call a signal's action, on another thread, soon after it has come. For the main thread."""
    arrived: SimpleQueue[signal.Signals | None] = SimpleQueue()

    def heed() -> None:
        while (number := arrived.get()) is not None:
            actions[number]()

    thread = threading.Thread(target=heed, name="signals", daemon=True)

    def end() -> None:
        # It holds what the actions hold, which libraries complain of when the interpreter ends.
        arrived.put(None)
        thread.join(_ENDS_WITHIN_S)

    atexit.register(end)
    thread.start()
    for number in actions:
        signal.signal(number, lambda number, _frame: arrived.put(signal.Signals(number)))
