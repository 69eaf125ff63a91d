"""One target under the fuzzer: ``python -m fuzz TARGET FOLDER [what libFuzzer is told]``.

Started by scripts/fuzz.py, one process for each target. Only an input that never ends, or a crash
of native code, ends it before its time.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import atheris

from fuzz.target import load
from fuzz.watching import Watched

_TREE_SHARE = 0.6  # of mutations; the rest are libFuzzer's own, which learn from comparisons


def main() -> None:
    name, folder, *told = sys.argv[1:]
    with atheris.instrument_imports(include=["gated"]):
        target = load(name)  # imports what it is about

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if target.mutate is not None and chance.random() < _TREE_SHARE:
            changed = target.mutate(data, chance)
            if len(changed) <= max_size:
                return changed
        changed = atheris.Mutate(data, max_size)
        assert isinstance(changed, bytes)
        return changed

    atheris.Setup(
        [sys.argv[0], f"-max_len={target.max_bytes}", *told],
        Watched(target, Path(folder)).run,
        custom_mutator=mutate,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
