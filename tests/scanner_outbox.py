"""Where a scanner's sightings go in tests."""

from __future__ import annotations

from gated.messages import CodeSeen, CodeUnread
from gated.scanner.sighting import ScannerHealth, Sighting, decode_sighting
from gated.vocabulary import UnreadCause


class Outbox:
    """The way to a controller that can be away."""

    def __init__(self) -> None:
        self.sent: list[Sighting] = []
        self.is_away = False

    def send(self, payload: bytes) -> bool:
        if not self.is_away:
            self.sent.append(decode_sighting(payload))
        return not self.is_away

    @property
    def codes(self) -> list[CodeSeen]:
        return [sighting for sighting in self.sent if isinstance(sighting, CodeSeen)]

    @property
    def texts(self) -> list[str]:
        return [seen.text for seen in self.codes]

    @property
    def hints(self) -> list[UnreadCause]:
        return [sighting.cause for sighting in self.sent if isinstance(sighting, CodeUnread)]

    @property
    def healths(self) -> list[ScannerHealth]:
        return [sighting for sighting in self.sent if isinstance(sighting, ScannerHealth)]
