"""Accept latency of the ledger against a bare append + fdatasync on the same disk, interleaved.

    python benchmarks/ledger.py [--folder DIR] [--rounds N]

Marks: p50 of one accepted event at most 1.3 times that of the bare append; no chunk of cleaning
beyond about 20 ms. Where the disk answers in a fraction of a millisecond, as a host with a cache
does, the ratio is that of our CPU work: read the COMMIT's line then.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gated.clock import SystemClock, TimeQuality
from gated.contents import VisitContent
from gated.ledger.reader import LedgerReader
from gated.ledger.writer import Ledger
from gated.vocabulary import Direction, Mode, Outcome, Prompt
from gated.wire import Ack, Draft, PersonLink, Stamp, commit_to_holder

CLOCK = SystemClock()
BATCH, CHECKPOINT_EVERY = 16, 200  # as the service does when nobody comes
LINK = PersonLink("k4:9c41f07be2d85a13", "c2FsdHNhbHRzYWx0c2FsdA")


def draft(n: int) -> Draft:
    """Return a granted visit as it is in daily use: a body of about 1 kB and a person link."""
    return Draft(
        VisitContent(
            visit_id=f"{n:012x}",
            direction=Direction.IN,
            outcome=Outcome.GRANTED,
            reason=None,
            prompt=Prompt.GO,
            body_c=36.62,
            skin_c=34.62,
            ambient_c=18.3,
            distance_m=0.34,
            samples=3,
            threshold_c=37.3,
            threshold_inclusive=True,
            holder_commitment=commit_to_holder(LINK),
            took_ms=2140,
        ),
        Stamp(
            at="2020-11-23T07:41:08.412+08:00",
            time_quality=TimeQuality.TRUSTED,
            boot_ms=5_023_117,
            mode=Mode.NORMAL,
            drill=False,
            rules="2026-11-20.2",
            software="0.1.0",
        ),
        link=LINK,
        opens_visit=f"{n:012x}",
    )


def now_ms() -> float:
    return CLOCK.monotonic_s() * 1_000


def quantiles(name: str, values_ms: list[float]) -> float:
    """Print p50, p99 and the largest of ``values_ms``; return p50."""
    ordered = sorted(values_ms)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    print(f"{name:36s} p50 {p50:7.3f} ms   p99 {p99:7.3f} ms   max {ordered[-1]:7.3f} ms")
    return p50


def written_bytes() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def measure_accepts(ledger: Ledger, folder: Path, rounds: int) -> tuple[float, float]:
    """Return p50 of one accepted event, and of its COMMIT, over p50 of the bare append.

    Events come one at a time, as people do; so many that every eighth pays for a look at the disk.
    """
    bare_ms: list[float] = []
    one_ms: list[float] = []
    commit_ms: list[float] = []
    body = bytes(1_000)
    log = os.open(folder / "bare.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for n in range(rounds):
        started = now_ms()
        os.write(log, body)
        os.fdatasync(log)
        bare_ms.append(now_ms() - started)

        single = draft(n)
        started = now_ms()
        (answer,) = ledger.append([single])
        one_ms.append(now_ms() - started)
        commit_ms.append(getattr(answer, "commit_ms", float("nan")))
        if n % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1:
            ledger.checkpoint()
    os.close(log)
    bare = quantiles("append 1 kB + fdatasync", bare_ms)
    one = quantiles("ledger, one event", one_ms)
    commit = quantiles("  of which the COMMIT", commit_ms)
    return one / bare, commit / bare


def measure_batches(ledger: Ledger, rounds: int) -> None:
    took_ms: list[float] = []
    for _ in range(rounds):
        many = [draft(n) for n in range(BATCH)]
        started = now_ms()
        ledger.append(many)
        took_ms.append(now_ms() - started)
        ledger.checkpoint()
    quantiles(f"ledger, {BATCH} events in one commit", took_ms)


def measure_bytes(ledger: Ledger, events: int) -> None:
    before = written_bytes()
    for n in range(events):
        ledger.append([draft(n)])
    per_event_kb = (written_bytes() - before) / events / 1024
    print(f"written for one event, before checkpoints: {per_event_kb:.1f} kB")


def measure_cleaning(ledger: Ledger, path: Path) -> None:
    collect_ms: list[float] = []
    expire_ms: list[float] = []
    checkpoint_ms: list[float] = []
    reader = LedgerReader(path)
    digest = reader.hash_of(ledger.newest_seq)
    assert digest is not None
    ledger.apply_ack(
        Ack(
            collector="c",
            collector_epoch="e",
            epoch=ledger.epoch,
            upto=ledger.newest_seq,
            hash=digest.hex(),
            at="",
        )
    )
    while reader.bounds().oldest_seq < ledger.newest_seq:
        started = now_ms()
        ledger.expire_links(100)
        expire_ms.append(now_ms() - started)
        started = now_ms()
        ledger.collect(1.0, 100)
        collect_ms.append(now_ms() - started)
        started = now_ms()
        ledger.checkpoint()
        checkpoint_ms.append(now_ms() - started)
    reader.close()
    quantiles("expire 100 links", expire_ms)
    quantiles("collect 100 events", collect_ms)
    quantiles("checkpoint after both", checkpoint_ms)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured (default: here)")
    parser.add_argument("--rounds", type=int, default=2_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder or Path.cwd()) as name:
        folder = Path(name)
        path = folder / "ledger.db"
        ledger = Ledger.open(path, site="s", gate="g", clock=CLOCK, software="0").ledger
        ratio, commit_ratio = measure_accepts(ledger, folder, args.rounds)
        measure_batches(ledger, args.rounds // BATCH)
        measure_bytes(ledger, CHECKPOINT_EVERY)
        measure_cleaning(ledger, path)
        ledger.close()
    print(f"ledger.accept_ratio {ratio:.2f} (mark: at most 1.3)")
    print(f"ledger.commit_ratio {commit_ratio:.2f} (the disk's part of it)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
