"""Native libraries: which versions from which files, and whether they can be loaded at all.

They are loaded in a child process, one line of its output for each: a library that was built for
another processor ends its process by a signal, and must not end the doctor.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gated.config import Camera, GateConfig
from gated.config.devices import RelayDriver
from gated.doctor.findings import Finding, error, ok, same, warning
from gated.doctor.host import CannotLook

SUBJECT = "library_{}"
WITHIN_S = 30.0
"""OpenCV and NumPy take 0.4 s on a laptop, and several seconds on a Pi with a cold card."""
_MAPS = "/proc/self/maps"
_PATH_FIELD = 5


@dataclass(frozen=True, slots=True)
class Library:
    """One library: the Python module that loads it, and who needs it."""

    name: str  # for people and programs
    module: str
    native: str  # how its shared object's file name begins; "": it is inside the module's own
    is_needed: Callable[[GateConfig], bool]
    mend: str


def _always(_: GateConfig) -> bool:
    return True


def _uses_gpio(config: GateConfig) -> bool:
    return bool(config.outputs.lines() or config.inputs.lines())


def _uses_pictures(config: GateConfig) -> bool:
    return config.scanner.camera is not Camera.NONE


def _uses_picamera2(config: GateConfig) -> bool:
    return config.scanner.camera is Camera.PICAMERA2


def _uses_serial(config: GateConfig) -> bool:
    return bool(config.scanner.serial) or config.outputs.relay.driver is RelayDriver.LCUS


_PIP = "install gated's requirements.lock again: docs/systemd.md"
LIBRARIES = (
    Library("sqlite", "sqlite3", "libsqlite3", _always, "sudo apt install libsqlite3-0"),
    Library("openssl", "ssl", "libssl", _always, "sudo apt install openssl"),
    Library("cryptography", "cryptography", "", _always, _PIP),
    Library("smbus2", "smbus2", "", _always, _PIP),
    Library("gpiod", "gpiod", "libgpiod", _uses_gpio, _PIP),
    Library("pyserial", "serial", "", _uses_serial, _PIP),
    Library("numpy", "numpy", "", _uses_pictures, _PIP),
    Library("opencv", "cv2", "", _uses_pictures, "sudo apt install libgl1 libglib2.0-0"),
    Library("zxing-cpp", "zxingcpp", "", _uses_pictures, _PIP),
    Library("zbar", "pyzbar.pyzbar", "libzbar", _uses_pictures, "sudo apt install libzbar0"),
    Library(
        "picamera2", "picamera2", "libcamera.so", _uses_picamera2,
        "sudo apt install python3-picamera2",
    ),
    Library(
        "libcamera", "libcamera", "libcamera.so", _uses_picamera2,
        "sudo apt install python3-libcamera",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading one. ``trouble`` is empty where it worked."""

    name: str
    version: str = ""
    file: str = ""
    trouble: str = ""


def mapped_file(maps: str, begins_with: str) -> str:
    """Return the file mapped into a process whose name begins so; "" if there is none.

    ``maps`` is the text of /proc/PID/maps [proc_pid_maps(5)].
    """
    for line in maps.splitlines():
        fields = line.split(maxsplit=_PATH_FIELD)
        if len(fields) > _PATH_FIELD and os.path.basename(fields[-1]).startswith(begins_with):  # noqa: PTH119
            return fields[-1]
    return ""


def look_at_libraries(config: GateConfig | None) -> Iterator[Finding]:
    """Yield version and file of each library, and what is wrong with those that are needed."""
    for library, loaded in zip(LIBRARIES, load_all(LIBRARIES), strict=True):
        subject = SUBJECT.format(library.name)
        if not loaded.trouble:
            shown = f"{library.name} {loaded.version}".rstrip()
            yield ok(subject, says=same(f"{shown}  {loaded.file}".rstrip()))
        elif config is None or library.is_needed(config):
            made = warning if config is None else error
            yield made(
                subject,
                says=(
                    f"{library.name} 不能用：{loaded.trouble}",
                    f"{library.name} cannot be used: {loaded.trouble}",
                ),
                mend=same(library.mend),
            )


def load_all(libraries: Iterable[Library]) -> list[Loaded]:
    """Return what came of loading each, in their order. Raises: CannotLook."""
    waiting = list(libraries)
    found: list[Loaded] = []
    while waiting:
        answers, ended_by = _load_in_child(waiting)
        found += answers
        waiting = waiting[len(answers) :]
        if waiting:  # the child died of this one
            found.append(Loaded(waiting.pop(0).name, trouble=ended_by))
    return found


def _load_in_child(libraries: list[Library]) -> tuple[list[Loaded], str]:
    """Return what a child could tell, and how it ended."""
    asked = [[library.name, library.module, library.native] for library in libraries]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "gated.doctor.libraries", json.dumps(asked)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=WITHIN_S,
        )
    except subprocess.TimeoutExpired as exc:
        raise CannotLook(f"the libraries were not loaded within {WITHIN_S:g} s") from exc
    answers = [Loaded(**json.loads(line)) for line in done.stdout.splitlines()]
    ended = f"exit code {done.returncode}"
    if done.returncode < 0:
        ended = f"it ends its process by {signal.Signals(-done.returncode).name}"
    return answers, ended


# --- in the child --------------------------------------------------------------------------------


def _load(name: str, module: str, native: str) -> dict[str, str]:
    try:
        loaded = importlib.import_module(module)
    except (ImportError, OSError, ValueError, AttributeError, RuntimeError) as exc:
        # Not installed; a shared object is missing; a part was built for another NumPy.
        return {"name": name, "trouble": f"{type(exc).__name__}: {exc}"}
    file = getattr(loaded, "__file__", "") or ""
    if native:
        with open(_MAPS, encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
            file = mapped_file(maps.read(), native) or file
    return {"name": name, "version": _version(name, loaded), "file": file}


def _version(name: str, loaded: object) -> str:
    match name:
        case "sqlite":
            return str(getattr(loaded, "sqlite_version", ""))
        case "openssl":
            return str(getattr(loaded, "OPENSSL_VERSION", ""))
        case "gpiod":
            own, api = getattr(loaded, "__version__", ""), getattr(loaded, "api_version", "")
            return f"{own} (libgpiod {api})"
        case "zxing-cpp":
            return importlib.metadata.version(name)
        case _:
            return str(getattr(loaded, "__version__", ""))


if __name__ == "__main__":
    for each in json.loads(sys.argv[1]):
        sys.stdout.write(f"{json.dumps(_load(*each))}\n")
        sys.stdout.flush()
