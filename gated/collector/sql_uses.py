"""Uses of passes as rows of either database."""

from __future__ import annotations

from collections.abc import Sequence

from gated.collector.sql_reader import Row
from gated.collector.store import UsesPage
from gated.uses import MAX_USES, UseAt
from gated.vocabulary import Direction


def page_of(rows: Sequence[Row], after: int, upto: int) -> UsesPage:
    """Return the page of ``rows``, which are the changes in (``after``, ``upto``].

    A row is change, gate, epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, given_back.
    The caller asks for one more than a page takes: that one says that there is more.
    """
    has_more = len(rows) > MAX_USES
    shown = rows[:MAX_USES]
    uses = tuple(
        UseAt(
            gate=gate,
            epoch=epoch,
            seq=seq,
            pass_ref=pass_ref,
            direction=Direction(direction),
            zone=zone,
            at_ms=at_ms,
            code_made_s=code_made_s,
            given_back=bool(given_back),
        )
        for _, gate, epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, given_back in shown
    )
    return UsesPage(after, shown[-1][0] if has_more else upto, uses, has_more)
