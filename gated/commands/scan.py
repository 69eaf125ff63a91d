"""``gated scan``: reads the QR codes in pictures; records what a camera sees, and replays it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gated.errors import ExitCode

if TYPE_CHECKING:
    from gated.scanner.picture import Pixels
    from gated.scanner.regions import Corners

HELP = "read the QR codes in pictures, or record and replay a camera 读取图片、录制与回放"
MOST_SECONDS = 3_600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "files", nargs="*", default=[], type=Path, metavar="FILE", help="picture or folder"
    )
    what.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="write the camera's frames, which are personal data, into a new folder 录制画面",
    )
    what.add_argument(
        "--replay", type=Path, metavar="DIR", help="read a recorded session as the gate would 回放"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--config", type=Path, metavar="FILE", help="gated.toml, for the camera")
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=60.0,
        metavar="N",
        help="for --record: how long, at most 3600 (default: %(default)g)",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="for --replay: as fast as it can be read, not as it was recorded",
    )


def run(args: argparse.Namespace) -> int:
    """Read pictures, record the camera or replay a recording.

    Returns: OK, or FAILED if a picture file could not be used.
    """
    if args.record is not None:
        from gated.commands.scan_session import record

        return record(args.record, args.config, args.seconds)
    if args.replay is not None:
        from gated.commands.scan_session import replay

        return replay(args.replay, args.config, is_fast=args.fast, as_json=args.json)
    return _read_pictures(args.files, as_json=args.json)


def _read_pictures(files: Sequence[Path], *, as_json: bool) -> int:
    """Print what is read in each picture, in the order given.

    Returns: OK, or FAILED if a file could not be used; a picture without a code is no failure.
    """
    from gated.scanner.cascade import Cascade
    from gated.scanner.decoders import load_decoders
    from gated.scanner.picture import Unreadable, read_picture, require_opencv
    from gated.scanner.sources.pictures import list_pictures

    require_opencv()
    decoders, missing = load_decoders()
    for reason in missing:
        print(f"gated: fewer codes will be read: {reason}", file=sys.stderr)
    cascade = Cascade(decoders)
    code = ExitCode.OK
    for path in list_pictures(files):
        line: dict[str, object] = {"file": str(path), "texts": [], "colours": []}
        line |= {"decoder": None, "cpu_ms": 0.0}
        picture = read_picture(path)
        if isinstance(picture, Unreadable):
            line["error"] = picture.reason
            code = ExitCode.FAILED
        else:
            decoded = cascade.decode_picture(picture)
            line["texts"] = list(decoded.texts)
            line["colours"] = [_colour_of(picture, code.corners) for code in decoded.codes]
            line["decoder"] = decoded.decoder
            line["cpu_ms"] = round(decoded.cpu_ms, 2)
        print(to_json(line) if as_json else _for_people(line), flush=True)
    return code


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.0 < seconds <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0 and at most {MOST_SECONDS:g}")
    return seconds


def to_json(line: dict[str, object]) -> str:
    """Return ``line`` as JSON on one line."""
    # A file name may hold bytes that are no UTF-8; they'd break the output half-way.
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _for_people(line: dict[str, object]) -> str:
    name = printable(str(line["file"]))
    if "error" in line:
        return f"{name}: cannot be used: {line['error']}"
    texts = line["texts"]
    if not isinstance(texts, list) or not texts:
        return f"{name}: no code"
    how = f"{line['decoder']}, {line['cpu_ms']} ms"
    colours = cast("list[dict[str, object]]", line["colours"])
    return "\n".join(
        f"{name}: {printable(text)}  ({colour['colour']}, {how})"
        for text, colour in zip(texts, colours, strict=True)
    )


def _colour_of(picture: Pixels, corners: Corners) -> dict[str, object]:
    from gated.scanner.colour import read_colour

    read = read_colour(picture, corners)
    return {"colour": read.colour.value, "confidence": round(read.confidence, 2)}


def printable(text: str) -> str:
    """Return ``text`` with everything escaped that could move a terminal's cursor or its reader."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
