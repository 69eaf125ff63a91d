"""``gated scan``: reads the QR codes in pictures, one line for each picture."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from gated.errors import ExitCode

HELP = "read the QR codes in picture files or folders 读取图片中的二维码"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="picture or folder")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
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
    for path in list_pictures(args.files):
        line: dict[str, object] = {"file": str(path), "texts": [], "decoder": None, "cpu_ms": 0.0}
        picture = read_picture(path)
        if isinstance(picture, Unreadable):
            line["error"] = picture.reason
            code = ExitCode.FAILED
        else:
            decoded = cascade.decode_picture(picture)
            line["texts"] = list(decoded.texts)
            line["decoder"] = decoded.decoder
            line["cpu_ms"] = round(decoded.cpu_ms, 2)
        print(_as_json(line) if args.json else _for_people(line), flush=True)
    return code


def _as_json(line: dict[str, object]) -> str:
    # A file name may hold bytes that are no UTF-8; they'd break the output half-way.
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _for_people(line: dict[str, object]) -> str:
    name = printable(str(line["file"]))
    if "error" in line:
        return f"{name}: cannot be used: {line['error']}"
    texts = line["texts"]
    if not isinstance(texts, list) or not texts:
        return f"{name}: no code"
    return "\n".join(
        f"{name}: {printable(text)}  ({line['decoder']}, {line['cpu_ms']} ms)" for text in texts
    )


def printable(text: str) -> str:
    """Return ``text`` with everything escaped that could move a terminal's cursor or its reader."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
