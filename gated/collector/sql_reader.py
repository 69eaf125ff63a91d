"""The reading side of every store that speaks SQL: one set of questions, asked in each dialect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any, Protocol

from gated.collector.store import (
    ChainEvidence,
    ChainKey,
    Entry,
    Flaw,
    GateRow,
    Lane,
    Problem,
    Progress,
    Run,
    Tally,
    Undated,
)
from gated.wire import GENESIS, HAVE_RANGES, GateState

Row = tuple[Any, ...]


class Queries(Protocol):
    """A connection that reads. Each ``?`` stands for the next value, in every dialect."""

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return what ``sql`` finds. Raises: StorageError."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Let every question inside see the same state. Raises: StorageError."""
        ...

    def close(self) -> None: ...


_ENTRY_COLUMNS = tuple(field.name for field in fields(Entry))
_ENTRY = "SELECT " + ", ".join(_ENTRY_COLUMNS) + " FROM record "  # noqa: S608 - our own names
_WHEN = "CASE WHEN time_quality = 'unknown' THEN received_at_ms ELSE at_ms END"
_KNOWN_FROM = (
    "SELECT at_ms FROM record WHERE site = ? AND gate = ? AND epoch = ? AND seq BETWEEN ? AND ? "
    "AND time_quality <> 'unknown' ORDER BY seq LIMIT 1"
)
_KNOWN_UP_TO = (
    "SELECT at_ms FROM record WHERE site = ? AND gate = ? AND epoch = ? AND seq BETWEEN ? AND ? "
    "AND time_quality <> 'unknown' ORDER BY seq DESC LIMIT 1"
)
_MAX_SEQ = 2**63 - 1


def read_progress(queries: Queries, chain: ChainKey) -> Progress:
    """Return how far ``chain`` is stored; one that was never heard of is at 0."""
    found = queries.rows(
        "SELECT upto, hash, highest FROM progress WHERE site = ? AND gate = ? AND epoch = ?",
        (chain.site, chain.gate, chain.epoch),
    )
    return progress_of(queries, chain, found[0] if found else None)


def progress_of(queries: Queries, chain: ChainKey, row: Row | None) -> Progress:
    """Return the progress in ``row`` (upto, hash, highest); None: never heard of."""
    if row is None:
        return Progress(chain, 0, GENESIS)
    upto, hash_, highest = row
    have = () if highest <= upto else _have(queries, chain, upto)
    return Progress(chain, upto, hash_, have)


def _have(queries: Queries, chain: ChainKey, upto: int) -> tuple[tuple[int, int], ...]:
    """Return the first ranges that are stored beyond ``upto``."""
    rows = queries.rows(
        """
        SELECT MIN(seq), MAX(seq) FROM (
          SELECT seq, seq - ROW_NUMBER() OVER (ORDER BY seq) AS island FROM record
          WHERE site = ? AND gate = ? AND epoch = ? AND seq > ?) AS numbered
        GROUP BY island ORDER BY 1 LIMIT ?
        """,
        (chain.site, chain.gate, chain.epoch, upto, HAVE_RANGES),
    )
    return tuple((first, last) for first, last in rows)


class SqlReader:
    """Implements ``store.Reader``. Each call sees one state; ``snapshot`` lets several agree."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def snapshot(self) -> AbstractContextManager[None]:
        return self._queries.snapshot()

    def close(self) -> None:
        self._queries.close()

    # --- entries ---------------------------------------------------------------------------------

    def entries(
        self,
        *,
        after: int,
        limit: int,
        lane: Lane | None = None,
        span_ms: tuple[int, int] | None = None,
    ) -> list[Entry]:
        where = "WHERE id > ? "
        values: list[object] = [after]
        if lane is not None:
            where += "AND site = ? AND gate = ? "
            values += [lane.site, lane.gate]
        if span_ms is not None:
            where += f"AND {_WHEN} >= ? AND {_WHEN} < ? "
            values += span_ms
        rows = self._queries.rows(_ENTRY + where + "ORDER BY id LIMIT ?", (*values, limit))
        return [_entry(row) for row in rows]

    def latest_entries(self, limit: int) -> list[Entry]:
        rows = self._queries.rows(_ENTRY + "ORDER BY id DESC LIMIT ?", (limit,))
        return [_entry(row) for row in rows][::-1]

    def last_id(self) -> int:
        ((newest,),) = self._queries.rows("SELECT coalesce(MAX(id), 0) FROM record")
        return int(newest)

    # --- gates -----------------------------------------------------------------------------------

    def gates(self) -> list[GateRow]:
        # A few questions for all gates: one for each gate takes a second with a thousand of them.
        rows = self._queries.rows(
            "SELECT site, gate, state, online, session_since_ms, state_at_ms, last_seen_ms "
            "FROM gate ORDER BY site, gate"
        )
        newest = self._newest_chains()
        problems = self._problems()
        return [
            _gate_row(lane, rest, newest.get(lane), problems.get(lane, ()))
            for site, gate, *rest in rows
            for lane in (Lane(site, gate),)
        ]

    def _newest_chains(self) -> dict[Lane, tuple[Progress, str | None]]:
        """Return each gate's newest chain, and the time of its last record that says one."""
        rows = self._queries.rows(
            "SELECT p.site, p.gate, p.epoch, p.upto, p.hash, p.highest, r.at FROM progress AS p "
            "LEFT JOIN record AS r ON r.site = p.site AND r.gate = p.gate AND r.epoch = p.epoch "
            "AND r.seq = p.highest ORDER BY p.first_received_ms, p.epoch"
        )
        last = {Lane(row[0], row[1]): row for row in rows}
        found = {}
        for lane, (site, gate, epoch, upto, hash_, highest, at) in last.items():
            chain = ChainKey(site, gate, epoch)
            progress = progress_of(self._queries, chain, (upto, hash_, highest))
            is_odd = at is None and highest > 0  # the last one cannot be read
            found[lane] = (progress, self._last_record_at(chain) if is_odd else at)
        return found

    def _problems(self) -> dict[Lane, tuple[tuple[Problem, int], ...]]:
        rows = self._queries.rows(
            "SELECT site, gate, problem, COUNT(*) FROM quarantine WHERE NOT resolved "
            "GROUP BY site, gate, problem ORDER BY problem"
        )
        found: dict[Lane, tuple[tuple[Problem, int], ...]] = {}
        for site, gate, problem, count in rows:
            lane = Lane(site, gate)
            found[lane] = (*found.get(lane, ()), (Problem(problem), count))
        return found

    def _last_record_at(self, chain: ChainKey) -> str | None:
        rows = self._queries.rows(
            "SELECT at FROM record WHERE site = ? AND gate = ? AND epoch = ? AND at IS NOT NULL "
            "ORDER BY seq DESC LIMIT 1",
            (chain.site, chain.gate, chain.epoch),
        )
        return str(rows[0][0]) if rows else None

    def chains(self, lane: Lane) -> list[Progress]:
        epochs = self._queries.rows(
            "SELECT epoch FROM progress WHERE site = ? AND gate = ? "
            "ORDER BY first_received_ms, epoch",
            (lane.site, lane.gate),
        )
        return [
            read_progress(self._queries, ChainKey(lane.site, lane.gate, row[0])) for row in epochs
        ]

    # --- what a report is made of ----------------------------------------------------------------

    def tallies(self, from_ms: int, to_ms: int) -> list[Tally]:
        rows = self._queries.rows(
            """
            SELECT site, gate, kind, drill, direction, outcome, reason, would_have, follow_up,
                   result, alarm, coalesce(attempt, 0) >= 2,
                   coalesce(body_c >= threshold_c, false), COUNT(*)
            FROM record
            WHERE at_ms >= ? AND at_ms < ? AND time_quality <> 'unknown'
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
            """,
            (from_ms, to_ms),
        )
        return [
            Tally(
                lane=Lane(row[0], row[1]),
                kind=row[2],
                drill=bool(row[3]),
                direction=row[4],
                outcome=row[5],
                reason=row[6],
                would_have=row[7],
                follow_up=row[8],
                result=row[9],
                alarm=row[10],
                is_second=bool(row[11]),
                is_at_threshold=bool(row[12]),
                count=row[13],
            )
            for row in rows
        ]

    def evidence(self, lane: Lane) -> list[ChainEvidence]:
        return [
            ChainEvidence(
                chain=progress.chain,
                runs=tuple(self._runs(progress)),
                flaws=tuple(self._flaws(progress.chain)),
                undated=tuple(self._undated(progress.chain)),
            )
            for progress in self.chains(lane)
        ]

    def _runs(self, progress: Progress) -> Iterator[Run]:
        chain = progress.chain
        place = (chain.site, chain.gate, chain.epoch)
        lost = self._queries.rows(
            "SELECT first_seq, last_seq FROM lost WHERE site = ? AND gate = ? AND epoch = ? "
            "ORDER BY first_seq",
            place,
        )
        first = 1
        for gap_first, gap_last in (*lost, (progress.upto + 1, progress.upto)):
            if first < gap_first:
                yield self._run(chain, first, gap_first - 1)
            first = gap_last + 1
        beyond = self._queries.rows(
            """
            SELECT MIN(seq), MAX(seq) FROM (
              SELECT seq, seq - ROW_NUMBER() OVER (ORDER BY seq) AS island FROM record
              WHERE site = ? AND gate = ? AND epoch = ? AND seq > ?) AS numbered
            GROUP BY island ORDER BY 1
            """,
            (*place, progress.upto),
        )
        for island_first, island_last in beyond:
            yield self._run(chain, island_first, island_last)

    def _run(self, chain: ChainKey, first: int, last: int) -> Run:
        place = (chain.site, chain.gate, chain.epoch)
        return Run(
            first_seq=first,
            last_seq=last,
            first_at_ms=self._known(_KNOWN_FROM, (*place, first, last)),
            last_at_ms=self._known(_KNOWN_UP_TO, (*place, first, last)),
        )

    def _known(self, sql: str, values: tuple[object, ...]) -> int | None:
        rows = self._queries.rows(sql, values)
        return int(rows[0][0]) if rows else None

    def _flaws(self, chain: ChainKey) -> Iterator[Flaw]:
        place = (chain.site, chain.gate, chain.epoch)
        rows = self._queries.rows(
            "SELECT problem, seq FROM quarantine WHERE site = ? AND gate = ? AND epoch = ? "
            "AND NOT resolved AND problem <> 'link' ORDER BY seq, problem",
            place,
        )
        for problem, seq in rows:
            yield Flaw(
                problem=Problem(problem),
                seq=seq,
                after_ms=self._known(_KNOWN_UP_TO, (*place, 1, seq - 1)),
                before_ms=self._known(_KNOWN_FROM, (*place, seq + 1, _MAX_SEQ)),
            )

    def _undated(self, chain: ChainKey) -> Iterator[Undated]:
        place = (chain.site, chain.gate, chain.epoch)
        rows = self._queries.rows(
            """
            SELECT MIN(seq), MAX(seq), COUNT(*) FILTER (WHERE kind = 'visit' AND NOT drill),
                   COUNT(*), MAX(received_at_ms),
                   CASE WHEN COUNT(*) FILTER (WHERE kind = 'visit' AND NOT drill
                                              AND corrected_at_ms IS NULL) = 0
                        THEN MIN(corrected_at_ms) END
            FROM (
              SELECT seq, kind, drill, received_at_ms, corrected_at_ms,
                     seq - ROW_NUMBER() OVER (ORDER BY seq) AS island
              FROM record
              WHERE site = ? AND gate = ? AND epoch = ? AND time_quality = 'unknown') AS numbered
            GROUP BY island ORDER BY 1
            """,
            place,
        )
        for first, last, visits, count, received_ms, since_ms in rows:
            before_ms = self._known(_KNOWN_FROM, (*place, last + 1, _MAX_SEQ))
            yield Undated(
                visits=visits,
                others=count - visits,
                after_ms=self._known(_KNOWN_UP_TO, (*place, 1, first - 1)),
                before_ms=received_ms if before_ms is None else before_ms,
                since_ms=since_ms,
            )

    def was_one_boot(self, lane: Lane, from_ms: int, to_ms: int) -> bool:
        before = self._queries.rows(
            "SELECT epoch, boot FROM record WHERE at_ms < ? AND site = ? AND gate = ? "
            "AND time_quality <> 'unknown' ORDER BY at_ms DESC LIMIT 1",
            (from_ms, lane.site, lane.gate),
        )
        after = self._queries.rows(
            "SELECT epoch, boot FROM record WHERE at_ms >= ? AND site = ? AND gate = ? "
            "AND time_quality <> 'unknown' ORDER BY at_ms LIMIT 1",
            (to_ms, lane.site, lane.gate),
        )
        return bool(before) and before == after


def _gate_row(
    lane: Lane,
    row: list[object],
    newest: tuple[Progress, str | None] | None,
    problems: tuple[tuple[Problem, int], ...],
) -> GateRow:
    state, online, session_since_ms, state_at_ms, last_seen_ms = row
    return GateRow(
        lane=lane,
        state=None if state is None else GateState.model_validate_json(str(state)),
        is_online=bool(online),
        session_since_ms=_whole(session_since_ms),
        state_at_ms=_whole(state_at_ms),
        last_seen_ms=_whole(last_seen_ms) or 0,
        chain=None if newest is None else newest[0],
        last_record_at=None if newest is None else newest[1],
        problems=problems,
    )


def _entry(row: tuple[object, ...]) -> Entry:
    entry = dict(zip(_ENTRY_COLUMNS, row, strict=True))
    entry["drill"] = bool(entry["drill"])
    return Entry(**entry)  # type: ignore[arg-type] # the columns' types are the table's


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None
