"""Lists that the centre pushes: validated, then put where the configuration says that they are.

From there the running gate takes them over within seconds, as it does with every changed list. The
technician decides what may be pushed, by naming a place that the controller may write.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from gated.config import CredentialSettings
from gated.contents import CommandReason
from gated.controller.codes import CodeRules
from gated.credentials.persons import load_persons
from gated.credentials.revocation import RevocationList, read_list
from gated.deeds import ListName, ReplaceList
from gated.durable import sync_folder
from gated.errors import ConfigError

log = logging.getLogger(__name__)

PUSHED_REVOCATIONS = "centre-{fingerprint}.rvl"
"""One file for each key that signs lists, beside those that somebody copied here."""
_NEW_FILE_MODE = 0o640


class PushedLists:
    """Puts lists in their places.

    Args:
        settings: where they are; asked each time, since a reload may name others.
    """

    def __init__(self, settings: Callable[[], CredentialSettings]) -> None:
        self._settings = settings

    def put(self, pushed: ReplaceList, codes: CodeRules, now: datetime) -> CommandReason | None:
        """Put ``pushed`` in its place, durably and as a whole; return why not, or None."""
        if pushed.which is ListName.REVOCATIONS:
            return self._put_revocations(pushed.data, codes, now)
        settings = self._settings()
        is_duty = pushed.which is ListName.DUTY
        path = settings.duty_list_file if is_duty else settings.persons_list_file
        return CommandReason.NOT_CONFIGURED if path is None else _replace(path, pushed.data, _parse)

    def _put_revocations(
        self, data: bytes, codes: CodeRules, now: datetime
    ) -> CommandReason | None:
        folder = self._settings().revocations
        if folder is None:
            return CommandReason.NOT_CONFIGURED
        content = read_list(data, codes.trust, now)
        if not isinstance(content, RevocationList):
            return CommandReason.LIST_REFUSED
        if codes.revocations is not None:
            for known in codes.revocations.newest():
                is_same_key = known.content.signer.fingerprint == content.signer.fingerprint
                if is_same_key and not content.supersedes(known.content):
                    return CommandReason.LIST_OLDER
        fingerprint = content.signer.fingerprint.hex()
        path = folder / PUSHED_REVOCATIONS.format(fingerprint=fingerprint)
        return _replace(path, data, lambda _: None)


def _parse(path: Path) -> None:
    load_persons(path)


def _replace(path: Path, data: bytes, check: Callable[[Path], None]) -> CommandReason | None:
    """Replace ``path`` by ``data`` once ``check`` has read it; return why not, or None.

    The file keeps its mode: others may read it, too.
    """
    new = path.with_name(f".{path.name}.pushed")
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else _NEW_FILE_MODE
        with new.open("wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        check(new)
        new.replace(path)
        sync_folder(path.parent)
    except ConfigError:
        new.unlink(missing_ok=True)
        return CommandReason.LIST_REFUSED
    except OSError as exc:
        log.error("a list of the centre cannot be put into %s (%s)", path.parent, exc.strerror)
        return CommandReason.NOT_WRITABLE
    return None
