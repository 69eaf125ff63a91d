"""A decoder library that some codes break: what a bug in native code does to a real process.

A folder with a stand-in for ``zxingcpp`` is put before the real one on PYTHONPATH. It reads as the
real one does, and then does what the text of the code says.
"""

from __future__ import annotations

import os
from pathlib import Path

ABORTS = "GP1:DECODER-ABORTS"
CRASHES = "GP1:DECODER-CRASHES"
HANGS = "GP1:DECODER-HANGS"
HANGS_LOCKED = "GP1:DECODER-HANGS-AND-HOLDS-THE-INTERPRETERS-LOCK"
LEAKS = "GP1:DECODER-LEAKS"

LEAKS_MB = 60
"""Each time that the code is read."""
_STAND_IN = f"""
import ctypes, importlib.machinery, importlib.util, os, sys, threading

_here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_others = [place for place in sys.path if os.path.abspath(place or ".") != _here]
_spec = importlib.machinery.PathFinder.find_spec("zxingcpp", _others)
_real = sys.modules["zxingcpp"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_real)
_leaked = []


def read_barcodes(*arguments, read=_real.read_barcodes, **options):
    codes = read(*arguments, **options)
    texts = [code.text for code in codes if code.valid]
    if {ABORTS!r} in texts:
        os.abort()
    if {CRASHES!r} in texts:
        ctypes.string_at(0)
    if {HANGS!r} in texts:
        threading.Event().wait()
    if {HANGS_LOCKED!r} in texts:
        ctypes.PyDLL(None).pause()
    if {LEAKS!r} in texts:
        _leaked.append(b"x" * ({LEAKS_MB} * 2**20))
    return codes


_real.read_barcodes = read_barcodes
"""


def faulty_decoder(folder: Path) -> dict[str, str]:
    """Make the stand-in in ``folder``; return the environment of processes that shall use it."""
    package = folder / "zxingcpp"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_STAND_IN, encoding="utf-8")
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *([before] if before else [])])}
