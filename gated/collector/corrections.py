"""What a record's wrong clock would have said, had it been right. Pure.

Every record carries the time since its machine was started (``boot_ms``), which no wrong clock
touches. Once a record of the same boot has a time that is known, all others of this boot have one:
``at = known at + (boot_ms - known boot_ms)``. The record that a boot is corrected by is its first
one with a trusted time, or else its first one in holdover, so the order in which records arrive
makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gated.clock import TimeQuality
from gated.collector.intake import Extract

MAX_BOOT_MS = 2**53
"""Whatever says more is no time since a start, and 64 bits must hold every sum."""


class Anchor(NamedTuple):
    """A record whose time is known."""

    seq: int
    boot_ms: int
    at_ms: int

    def at_ms_of(self, boot_ms: int) -> int:
        """Return the time of ``boot_ms`` in this anchor's boot, in ms since 1970."""
        return self.at_ms + boot_ms - self.boot_ms


class Corrected(NamedTuple):
    """A record's time as the collector knows it, and how far that can be believed."""

    at_ms: int | None
    quality: TimeQuality


@dataclass(slots=True)
class BootClocks:
    """The anchors of one chain: by boot, then by their quality."""

    _anchors: dict[int, dict[TimeQuality, Anchor]] = field(default_factory=dict)

    def learn(self, boot: int, quality: TimeQuality, anchor: Anchor) -> bool:
        """Return whether ``anchor`` is now the one of its quality: the earliest is."""
        of_boot = self._anchors.setdefault(boot, {})
        known = of_boot.get(quality)
        if known is not None and known.seq <= anchor.seq:
            return False
        of_boot[quality] = anchor
        return True

    def best(self, boot: int) -> tuple[TimeQuality, Anchor] | None:
        """Return the anchor that corrects ``boot``, or None if nothing of it has a known time."""
        of_boot = self._anchors.get(boot, {})
        for quality in (TimeQuality.TRUSTED, TimeQuality.HOLDOVER):
            if quality in of_boot:
                return quality, of_boot[quality]
        return None

    def correct(self, extract: Extract) -> Corrected:
        """Return the time of a record; its own if that is known."""
        if extract.time_quality != TimeQuality.UNKNOWN:
            return Corrected(extract.at_ms, TimeQuality(extract.time_quality))
        best = self.best(extract.boot)
        if best is None or not 0 <= extract.boot_ms <= MAX_BOOT_MS:
            return Corrected(None, TimeQuality.UNKNOWN)
        quality, anchor = best
        return Corrected(anchor.at_ms_of(extract.boot_ms), quality)


@dataclass(frozen=True, slots=True)
class NewAnchor:
    """An anchor that a batch brought, and whether its boot is corrected by it from now on."""

    boot: int
    quality: TimeQuality
    anchor: Anchor
    is_best: bool


def learn_all(clocks: BootClocks, records: Iterable[tuple[int, Extract]]) -> list[NewAnchor]:
    """Teach ``clocks`` every (seq, extract); return the anchors that changed."""
    changed: dict[tuple[int, TimeQuality], Anchor] = {}
    for seq, extract in records:
        if extract.time_quality == TimeQuality.UNKNOWN or not 0 <= extract.boot_ms <= MAX_BOOT_MS:
            continue
        quality = TimeQuality(extract.time_quality)
        anchor = Anchor(seq, extract.boot_ms, extract.at_ms)
        if clocks.learn(extract.boot, quality, anchor):
            changed[extract.boot, quality] = anchor
    return [
        NewAnchor(boot, quality, anchor, is_best=clocks.best(boot) == (quality, anchor))
        for (boot, quality), anchor in changed.items()
    ]


StoredAnchors = Mapping[tuple[int, str], Anchor]
"""By (boot, quality), as a store keeps them."""


def clocks_of(stored: StoredAnchors) -> BootClocks:
    """Return the clocks that ``stored`` describes."""
    clocks = BootClocks()
    for (boot, quality), anchor in stored.items():
        clocks.learn(boot, TimeQuality(quality), anchor)
    return clocks
