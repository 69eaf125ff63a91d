"""Writes a plan: nothing that is there is lost, and the configuration comes last.

A gate without its configuration does not start, so a power cut in between leaves one that can be
set up again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gated.durable import NewFile, replace_files
from gated.errors import CannotWrite, GatedError
from gated.setup.plan import Plan, PlannedFile

_MODE, _MODE_OF_SECRET = 0o644, 0o600
"""Secrets are root's alone: the units hand each process its own (systemd/gated.tmpfiles)."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was written."""

    written: tuple[Path, ...]  # none: everything was so already
    kept: tuple[Path, ...]  # what was there before, under new names


def write(plan: Plan, now: datetime, *, replaces: bool) -> Done:
    """Write what ``plan`` says. Where all of it is so already, do nothing.

    Raises: GatedError: there is another configuration, and it is not to be replaced.
    """
    changed = [file for file in plan.files if _read(file.path) != file.data]
    if not changed:
        return Done((), ())
    if not replaces:
        refuse_to_replace(plan.config_file)
    for folder in {file.path.parent for file in changed}:
        _make(folder)
    trust = plan.config.credentials.trust
    kept = [_keep(file.path, trust, now) for file in changed if file.path.exists()]
    replace_files([_new(file) for file in changed])
    return Done(tuple(file.path for file in changed), tuple(kept))


def refuse_to_replace(config_file: Path) -> None:
    """Raise GatedError if ``config_file`` is there."""
    if config_file.exists():
        raise GatedError(
            f"{config_file} is there already, nothing was changed; to replace it, and keep the old "
            "one beside it: --replace, or replace = true in the setup file "
            "(已有配置，未作更改；确需替换请加 --replace)"
        )


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise CannotWrite(f"{path}: {exc.strerror}: try sudo (请用 sudo)") from exc


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as exc:
        raise CannotWrite(f"{folder}: cannot be made ({exc.strerror}): try sudo") from exc


def _keep(path: Path, trust: Path, now: datetime) -> Path:
    """Give what is at ``path`` another name beside it; it keeps its mode.

    A key goes out of the trust folder, to beside it: under any name in there it would still count.
    """
    name = f"{path.name}.old-{now:%Y%m%d-%H%M%S}"
    is_key = path.parent == trust
    old = trust.with_name(f"{trust.name}-{name}") if is_key else path.with_name(name)
    try:
        old.unlink(missing_ok=True)  # of this same second, by an attempt that was broken off
        os.link(path, old)
    except OSError as exc:
        raise CannotWrite(f"{old}: cannot be made ({exc.strerror}): try sudo") from exc
    return old


def _new(file: PlannedFile) -> NewFile:
    return NewFile(file.path, file.data, _MODE_OF_SECRET if file.is_secret else _MODE)
