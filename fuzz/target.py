"""What a target is, and which there are."""

from __future__ import annotations

import importlib
import pkgutil
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import fuzz.targets

CORPUS = Path(__file__).parent / "corpus"
MAX_CPU_MS = 50.0
"""For one code on a machine of today: a visitor waits meanwhile, and others behind them."""


class Escape(AssertionError):
    """Something that must not happen, whatever the input: the message says what."""


@dataclass(frozen=True, slots=True)
class Target:
    """One reader and what must hold for it.

    ``run`` returns whether the input was accepted. It raises for what must not be: ``Escape``, or
    any exception that the reader does not promise. What the reader promises to raise is its answer.
    """

    run: Callable[[bytes], bool]
    seeds: Callable[[], Sequence[bytes]]
    mutate: Callable[[bytes, random.Random], bytes] | None = None  # None: bytes as they come
    max_bytes: int = 4_096
    max_cpu_ms: float = MAX_CPU_MS


def names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(fuzz.targets.__path__))


def load(name: str) -> Target:
    """Return the target of this name. Raises: ModuleNotFoundError: there is none."""
    target = importlib.import_module(f"fuzz.targets.{name}").TARGET
    assert isinstance(target, Target)
    return target


def kept(name: str) -> list[bytes]:
    """Return the inputs that the repository keeps for a target, in the order of their names."""
    folder = CORPUS / name
    if not folder.is_dir():
        return []
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def cpu_ms(target: Target, data: bytes) -> float:
    """Return the CPU time of one run in ms."""
    begun_s = time.thread_time()
    target.run(data)
    return (time.thread_time() - begun_s) * 1_000
