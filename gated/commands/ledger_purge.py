"""``gated ledger purge``: delete on request, for good, while the gate is stopped."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import date, datetime, time, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from gated.ledger.purge import Doomed, Purge

EPILOG = """\
The controller must be stopped: it owns the file. Events go from the oldest on, so that the chain of
the others still verifies; uses of passes stay, or a pass for one use would open again.
闸机须先停止；按从旧到新删除；通行码的使用次数保留。
"""
_REFERENCE = re.compile(r"[\x21-\x7e]{4,128}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--person", metavar="REF", help="all that links records to this pseudonym 某人的关联"
    )
    what.add_argument(
        "--before",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="the events of the days before it 此日之前的记录",
    )
    what.add_argument("--all", action="store_true", help="every event 全部记录")
    parser.add_argument(
        "--even-unacked",
        action="store_true",
        help="also what the collector does not have: it is lost then 含未送达的记录",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask 不询问")


def run(args: argparse.Namespace, path: Path, zone: tzinfo | None) -> int:
    """Purge the ledger at ``path``; days are those of ``zone``, None is this machine's own."""
    from gated.ledger.purge import Purge, files_with

    if args.person is not None and _REFERENCE.fullmatch(args.person) is None:
        raise ConfigError("--person is a pseudonym as `gated ledger export --with-links` shows it")
    with Purge.opened(path) as purge:
        doomed = _doomed(purge, args, zone)
        if doomed.unacked and not args.even_unacked:
            print(
                f"gated: {doomed.unacked} of these {doomed.events} events are not acknowledged by"
                " the collector and would be lost. Nothing was deleted. Let the gate send them"
                " first, or say --even-unacked. 有未送达的记录，未删除",
                file=sys.stderr,
            )
            return int(ExitCode.FAILED)
        if doomed.events or doomed.links:
            if not args.yes and not _agrees(doomed):
                print("gated: nothing was deleted 未删除", file=sys.stderr)
                return int(ExitCode.FAILED)
            if args.person is None:
                purge.delete_events(doomed)
            else:
                purge.delete_person(args.person)
    print(f"deleted 已删除: {doomed.events} events, {doomed.links} person links")
    left = [] if args.person is None else files_with(args.person.encode(), path.parent)
    for file in left:
        print(
            f"gated: {file} still holds this pseudonym: take what it has to the collector"
            f" (gated ledger salvage {file}), then delete the file",
            file=sys.stderr,
        )
    return int(ExitCode.FAILED if left else ExitCode.OK)


def _doomed(purge: Purge, args: argparse.Namespace, zone: tzinfo | None) -> Doomed:
    if args.person is not None:
        return purge.of_person(args.person)
    if args.before is None:
        return purge.everything()
    from gated.clock import SystemClock

    midnight = datetime.combine(args.before, time())
    begin = midnight.astimezone() if zone is None else midnight.replace(tzinfo=zone)
    return purge.before(begin, SystemClock().now())


def _agrees(doomed: Doomed) -> bool:
    """Return whether whoever sits there wants it; nobody there means no."""
    lost = f", {doomed.unacked} of them LOST" if doomed.unacked else ""
    print(f"{doomed.events} events{lost} and {doomed.links} person links will be deleted for good.")
    try:
        return input("Go on? 继续吗? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False
