"""The machine as the checks see it: its files below one root, its programs by their names."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gated.errors import GatedError

MODEL = "proc/device-tree/model"
PROGRAM_WITHIN_S = 5.0
_RASPBERRY_PI = "Raspberry Pi"
_MAX_CHARACTERS = 1_000_000


class CannotLook(GatedError):
    """Something could not be looked at. The doctor says so in a finding and goes on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said."""

    code: int
    text: str  # its output, then what it complained of


Run = Callable[[Sequence[str]], Answer]


def run_program(command: Sequence[str]) -> Answer:
    """Return what ``command`` said. Raises: CannotLook: it is not there, or hangs."""
    name = command[0]
    try:
        done = subprocess.run(  # noqa: S603 - commands of our own, no shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=PROGRAM_WITHIN_S,
        )
    except FileNotFoundError as exc:
        raise CannotLook(f"this machine has no {name} (没有 {name})") from exc
    except subprocess.TimeoutExpired as exc:
        raise CannotLook(f"{name} did not end within {PROGRAM_WITHIN_S:g} s") from exc
    except OSError as exc:
        raise CannotLook(f"{name}: {exc.strerror}") from exc
    return Answer(done.returncode, done.stdout + done.stderr)


@dataclass(frozen=True, slots=True)
class Host:
    """One machine. Tests give another root, and programs of their own."""

    root: Path = Path("/")
    run: Run = run_program

    def read(self, path: str) -> str | None:
        """Return the text of ``path`` (below the root); None: there is no such file.

        Raises: CannotLook: it may not be read.
        """
        try:
            with (self.root / path).open(encoding="utf-8", errors="replace") as file:
                return file.read(_MAX_CHARACTERS)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise CannotLook(f"/{path} cannot be read: {exc.strerror}; try sudo") from exc

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def pi_model(self) -> str | None:
        """Return what this Raspberry Pi calls itself; None: it is none."""
        model = (self.read(MODEL) or "").rstrip("\0\n")
        return model if model.startswith(_RASPBERRY_PI) else None
