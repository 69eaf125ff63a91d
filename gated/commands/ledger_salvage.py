"""``gated ledger salvage``: what can be read of a damaged ledger, written for the collector."""

from __future__ import annotations

import argparse
import json
import sys
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gated.durable import write_new_private_file
from gated.errors import ExitCode, StorageError

if TYPE_CHECKING:
    from gated.ledger.salvage import Salvaged


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place", type=Path, metavar="FILE|DIR", help="a ledger, a state folder, or a card's root"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where the result is written, and a copy while it works; default: here",
    )
    parser.add_argument(
        "--with-links",
        action="store_true",
        help="also the pseudonyms that link a record to a person 含个人关联",
    )
    parser.add_argument(
        "--upload",
        action="store_true",
        help="send what the collector does not have, as this gate, whose old card it is 直接上传",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="with --upload: default $GATED_CONFIG, or /etc/gated/gated.toml",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Salvage every ledger of the place; return FAILED if events are lost for good."""
    from gated.ledger.salvage import ledger_files, salvage

    if not args.out.is_dir():
        raise StorageError(f"the folder {args.out} does not exist; make it first")
    found: list[dict[str, Any]] = []
    is_whole = True
    for path in ledger_files(args.place):
        try:
            salvaged = salvage(path, args.out)
        except StorageError as exc:
            is_whole = False
            print(f"gated: {exc}", file=sys.stderr)
            continue
        is_whole &= not salvaged.lost and salvaged.is_end_known
        if args.upload:
            facts, lines = _upload(salvaged, args)
        else:
            written = _write(salvaged, args.out, with_links=args.with_links)
            facts = {"written": [str(path) for path in written]}
            lines = [f"  written 已写: {path}" for path in written]
            lines.append("  next 下一步: gated collector take-in FILE, at the centre 在汇总端")
        is_whole &= not facts.get("of_another_gate", False)
        found.append(_facts(salvaged) | facts)
        if not args.json:
            print("\n".join([*_lines(salvaged), *lines]))
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    return int(ExitCode.OK if is_whole else ExitCode.FAILED)


def _upload(salvaged: Salvaged, args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Deliver what the collector does not have yet. Raises: GatedError: not all of it."""
    from gated.clock import SystemClock
    from gated.config.load import default_file, load_gate
    from gated.doctor.centre import address_in_force
    from gated.uplink.old_card import deliver

    config = load_gate(args.config or default_file())
    if (salvaged.site, salvaged.gate) != (config.gate.site, config.gate.name):
        line = (
            f"  not sent 未上传: it is of another gate than this {config.gate.site}/"
            f"{config.gate.name}; without --upload it is written for the collector"
        )
        return {"delivered": 0, "of_another_gate": True}, [line]
    address = address_in_force(config)
    beside = replace(address, client_id=f"{address.client_id}-salvage")  # the uplink goes on

    def tell(done: int, of: int) -> None:
        print(f"gated: … {done}/{of}", file=sys.stderr, flush=True)

    count = deliver(beside, salvaged, SystemClock(), tell)
    line = f"  delivered 已送达: {count} events, and the collector has them 汇总端已确认"
    return {"delivered": count, "of_another_gate": False}, [line]


def _write(salvaged: Salvaged, out: Path, *, with_links: bool) -> list[Path]:
    """Write what may be taken in, and apart from it what may not. Raises: GatedError."""
    from gated.ledger.salvage import USABLE
    from gated.wire import join_link

    name = f"{salvaged.site}.{salvaged.gate}.{salvaged.epoch}"
    usable = [
        join_link(event.body, event.link if with_links else None)
        for event in salvaged.events
        if event.standing in USABLE
    ]
    broken = [
        json.dumps({"seq": event.seq, "body_base64": b64encode(event.body).decode()}).encode()
        for event in salvaged.events
        if event.standing not in USABLE
    ]
    written = []
    for suffix, lines in (("", usable), (".broken", broken)):
        if lines:
            path = _free_name(out, f"{name}{suffix}")
            write_new_private_file(path, b"".join(line + b"\n" for line in lines))
            written.append(path)
    return written


def _free_name(out: Path, stem: str) -> Path:
    """Return a name that is not taken: by another copy of this ledger, or an earlier attempt."""
    path, number = out / f"{stem}.jsonl", 1
    while path.exists():
        number += 1
        path = out / f"{stem}-{number}.jsonl"
    return path


def _facts(salvaged: Salvaged) -> dict[str, Any]:
    from gated.ledger.salvage import Standing

    return {
        "source": str(salvaged.source),
        "site": salvaged.site,
        "gate": salvaged.gate,
        "epoch": salvaged.epoch,
        **{standing.value: salvaged.count(standing) for standing in Standing},
        "missing": salvaged.missing,
        "acked_upto": salvaged.acked_upto,
        "lost": salvaged.lost,
        "damage": salvaged.damage,
        "is_end_known": salvaged.is_end_known,
    }


def _lines(salvaged: Salvaged) -> list[str]:
    from gated.commands.ledger_output import printable
    from gated.ledger.salvage import Standing

    counts = ", ".join(f"{salvaged.count(standing)} {standing}" for standing in Standing)
    lines = [
        f"{salvaged.source}: gate {salvaged.site}/{salvaged.gate}, epoch {salvaged.epoch}",
        f"  events 记录: {counts}",
    ]
    if salvaged.damage:
        lines.append(f"  damage 损坏: {printable(salvaged.damage)}")
    acked = salvaged.acked_upto
    for first, last in salvaged.missing:
        where = "the collector has them" if acked is not None and last <= acked else "lost 丢失"
        if acked is not None and first <= acked < last:
            where = f"the collector has those up to {acked}, the others are lost 丢失"
        lines.append(f"  missing 缺: {first}–{last}: {where}")
    if not salvaged.is_end_known:
        lines.append("  the file does not say how many there were: later ones may be lost too")
    if acked is None:
        lines.append("  not known what the collector has: ask `gated collector gates`")
    return lines
