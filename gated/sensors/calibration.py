"""A thermometer's calibration: what it is worth, versioned files, the newest in force.

One file for each version (``calibrations/child.7.json`` in the state folder), never changed: what
was in force when a record was made stays readable. A file that cannot be read is an error and no
older version steps in for it: measuring with a calibration that was replaced would be silent.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gated.errors import ConfigError, StorageError

FOLDER = "calibrations"
"""In the state folder."""
FOLDER_MODE, FILE_MODE = 0o755, 0o644
_FILE = re.compile(r"(?P<name>[a-z0-9][a-z0-9_-]{0,31})\.(?P<version>[1-9][0-9]{0,8})\.json")


class ReferencePoint(BaseModel):
    """What the thermometer showed of a reference surface."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    reference_c: float  # the surface's true temperature
    shown_c: float  # emissivity and supply corrected, mean
    sd_c: float = Field(ge=0)
    samples: int = Field(ge=1)


class Agreement(BaseModel):
    """How far a thermometer's body temperatures agreed with contact readings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pairs: int = Field(ge=1)
    bias_c: float  # contact minus gate, mean, before this calibration
    sd_c: float = Field(ge=0)  # of the differences
    loa_low_c: float  # bias − 1.96 sd (Bland and Altman, Lancet 1986)
    loa_high_c: float


class Calibration(BaseModel):
    """One: ``true = gain · shown + offset_c``, ``body = true + site_a_c − site_b · air``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    v: Literal[1] = 1
    thermometer: str
    version: int = Field(ge=1)
    chip_id: str  # the chip it was taken with: no other may be judged with it
    made_at: str  # RFC 3339
    made_by: str = Field(max_length=64)
    gain: float = Field(default=1.0, ge=0.8, le=1.25)
    offset_c: float = Field(default=0.0, ge=-15.0, le=15.0)
    points: tuple[ReferencePoint, ...] = ()
    site_a_c: float | None = Field(default=None, ge=-5.0, le=15.0)  # None: as configured
    site_b: float | None = Field(default=None, ge=0.0, le=0.5)
    agreement: Agreement | None = None
    note: str = Field(default="", max_length=200)

    @property
    def name(self) -> str:
        """As every record quotes it: ``child.7``."""
        return f"{self.thermometer}.{self.version}"


@dataclass(frozen=True, slots=True)
class CalibrationFolder:
    """The versions in one folder."""

    path: Path

    def versions(self, thermometer: str) -> list[int]:
        """Return the versions of ``thermometer`` that there are, oldest first.

        Raises: ConfigError: the folder cannot be read, so nobody can tell.
        """
        try:
            names = [entry.name for entry in self.path.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as exc:
            hint = "; use sudo" if isinstance(exc, PermissionError) else ""
            raise ConfigError(f"calibrations {self.path}: {exc.strerror}{hint}") from exc
        matches = [match for match in map(_FILE.fullmatch, names) if match is not None]
        return sorted(int(match["version"]) for match in matches if match["name"] == thermometer)

    def load(self, thermometer: str, version: int | None = None) -> Calibration | None:
        """Return a version, the newest if none is named; None: there is none.

        Raises: ConfigError: it cannot be read, or is not what its name says.
        """
        versions = self.versions(thermometer)
        wanted = version if version is not None else versions[-1] if versions else None
        if wanted is None or wanted not in versions:
            return None
        path = self._file(thermometer, wanted)
        try:
            found = Calibration.model_validate_json(path.read_bytes())
        except OSError as exc:
            raise ConfigError(f"calibration {path}: {exc.strerror}") from exc
        except ValidationError as exc:
            fault = exc.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, fault["loc"]))
            raise ConfigError(
                f"calibration {path}: {where}: {fault['msg']}. Do not delete it: "
                f"gated calibrate revert {thermometer} writes a sound one after it"
            ) from exc
        if (found.thermometer, found.version) != (thermometer, wanted):
            raise ConfigError(f"calibration {path} says that it is {found.name}")
        return found

    def save(self, calibration: Calibration) -> Path:
        """Write a new version, all or nothing and readable for everybody, and return its file.

        Raises: StorageError: it cannot be written, or exists already.
        """
        path = self._file(calibration.thermometer, calibration.version)
        text = calibration.model_dump_json(indent=1) + "\n"
        try:
            self._make()
            with _opened(self.path) as folder:
                _write_once(folder, path.name, text.encode())
        except OSError as exc:
            if isinstance(exc, FileExistsError) and path.is_file():
                raise StorageError(f"{path} exists: somebody else calibrated meanwhile") from exc
            hint = "; use sudo" if isinstance(exc, PermissionError) else ""
            raise StorageError(f"cannot write {path}: {exc.strerror}{hint}") from exc
        return path

    def check_writable(self) -> None:
        """Raise StorageError unless a version could be written: before somebody measures for it."""
        there = self.path if os.access(self.path, os.F_OK) else self.path.parent
        if not os.access(there, os.W_OK | os.X_OK):
            raise StorageError(
                f"calibrations cannot be written in {there}: no such folder, or no permission: "
                "use sudo"
            )

    def _make(self) -> None:
        """Make the folder, whatever the mask of whoever calibrates: the gate's user reads it."""
        if not self.path.is_dir():
            self.path.mkdir()
            self.path.chmod(FOLDER_MODE)

    def _file(self, thermometer: str, version: int) -> Path:
        return self.path / f"{thermometer}.{version}.json"


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Give the folder's descriptor. Root writes where the gate's user may: no link is followed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write_once(folder: int, name: str, data: bytes) -> None:
    """Write a new file, durable before it has its name. Raises: FileExistsError; OSError."""
    new = f".{name}.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, FILE_MODE, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), FILE_MODE)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(new, name, src_dir_fd=folder, dst_dir_fd=folder)  # a rename could replace a version
    finally:
        os.unlink(new, dir_fd=folder)
    os.fsync(folder)
