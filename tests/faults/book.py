"""What a gate was answered, kept outside of everything that is going to be broken."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Told:
    """One event for which the ledger answered that it is durable."""

    epoch: str
    seq: int
    kind: str
    name: str
    at_ns: int  # when it was answered, on the machine's monotonic clock


@dataclass
class Book:
    """Everything that the gate's processes of one run said. Filled by one thread for each."""

    told: list[Told] = field(default_factory=list)
    failed: int = 0
    struck: int = 0  # answers that came after the power was cut
    openings: Counter[str] = field(default_factory=Counter)  # opened | new | recovered | forked
    epochs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def take(self, line: str) -> None:
        """Note one line of ``gate_process``. Raises: ValueError: it is none."""
        what, *rest = line.split()
        with self._lock:
            if what == "stored":
                at_ns, epoch, seq, kind, name = rest
                self.told.append(Told(epoch, int(seq), kind, name, int(at_ns)))
            elif what == "failed":
                self.failed += 1
            elif what in ("opened", "renewed"):
                how, epoch = rest
                self.openings[how] += 1
                if epoch not in self.epochs:
                    self.epochs.append(epoch)
            else:
                raise ValueError(line)

    def strike(self, after_ns: int) -> None:
        """Forget the answers since ``after_ns``, when the power went: nobody was left to hear them.

        A real cut stops the processor, too. A file system that is shut down under running processes
        may end a sync that was under way with success, though the last step of it failed.
        """
        with self._lock:
            self.struck += sum(one.at_ns >= after_ns for one in self.told)
            self.told = [one for one in self.told if one.at_ns < after_ns]

    def count(self) -> int:
        """Return how many events were answered for so far."""
        return len(self.told)
