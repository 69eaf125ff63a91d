"""Diagnostics on their way out: the file that the controller has left, part by part.

One part is in flight at a time, so records, alarms and states hardly notice. Nothing is kept:
whoever asked and did not get all of it asks again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gated.carried import MAX_BUNDLE_BYTES, PART_BYTES, part_count
from gated.contents import CommandName, CommandOutcome, Kind
from gated.errors import WireError
from gated.ledger.reader import StoredEvent
from gated.mqtt.happenings import Confirmed
from gated.wire import parse_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One message of a bundle."""

    command_id: str
    number: int  # from 0
    data: bytes


class BundleSender:
    """The bundle that is on its way, if any.

    Args:
        file: where the controller leaves it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._command_id = ""
        self._data = b""
        self._number = 0  # of the next part
        self._flying: Part | None = None

    def look(self, events: Iterable[StoredEvent]) -> None:
        """Take up the bundle that an answer among ``events`` announces, in the place of another."""
        for event in events:
            announced = _announced(event) if event.kind == Kind.COMMAND else None
            if announced is not None:
                self._take_up(*announced)

    def _take_up(self, command_id: str, sha256: str) -> None:
        try:
            with self._file.open("rb") as file:
                data = file.read(MAX_BUNDLE_BYTES)
        except OSError as exc:
            log.warning("diagnostics: %s cannot be read (%s)", self._file, exc.strerror)
            return
        if hashlib.sha256(data).hexdigest() != sha256:
            log.warning("diagnostics: the file is not the one that was announced; not sent")
            return
        self._command_id, self._data, self._number = command_id, data, 0

    def next_part(self) -> Part | None:
        """Return what to send next, and take it as sent; None while one is in flight."""
        if self._flying is not None or self._number >= part_count(len(self._data)):
            return None
        begin = self._number * PART_BYTES
        data = self._data[begin : begin + PART_BYTES]
        self._flying = Part(self._command_id, self._number, data)
        return self._flying

    def answered(self, confirmed: Confirmed) -> None:
        """Note whether the broker took the part in flight for somebody; if not, no more is sent."""
        if confirmed.is_unheard or confirmed.is_failure:
            self.give_up(confirmed.reason or "nobody at the broker subscribes to them")
            return
        # It may be of the bundle whose place this one took.
        if self._flying is not None and self._flying.command_id == self._command_id:
            self._number += 1
        self._flying = None

    def give_up(self, why: str) -> None:
        """Send no more of it."""
        log.warning("diagnostics were not sent: %s", why)
        self._flying, self._data = None, b""

    def lost(self) -> None:
        """Send again what the broker had not confirmed when the connection was lost."""
        self._flying = None


def _announced(event: StoredEvent) -> tuple[str, str] | None:
    """Return (id of the command, SHA-256 in hex) of a bundle, or None."""
    try:
        body = parse_json(event.body)
    except WireError:
        return None
    is_done = body.get("outcome") == CommandOutcome.DONE
    if body.get("command") != CommandName.DIAGNOSE or not is_done:
        return None
    command_id, sha256 = body.get("command_id"), body.get("bundle_sha256")
    return (command_id, sha256) if isinstance(command_id, str) and isinstance(sha256, str) else None
