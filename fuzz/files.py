"""Files for readers that take a path: one folder in memory for each process, gone when it ends."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 a fuzzer writes thousands of files a second


@functools.cache
def _folder() -> Path:
    place = str(_IN_MEMORY) if _IN_MEMORY.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="gated-fuzz-", dir=place))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def written(data: bytes, name: str) -> Path:
    """Return a file in a folder of its own that holds ``data``; the next one replaces it."""
    path = _folder() / name / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path
