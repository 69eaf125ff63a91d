"""What the pages that people print have in common: HTML in one file, in millimetres of A4.

Nothing on them comes from elsewhere: they are opened on an office's computer without a network.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TextIO

from gated.errors import CannotWrite, GatedError
from gated.texts import Pair

QR_QUIET_ZONE_MODULES = 4  # ISO/IEC 18004 §5.3.8
QR_PIXELS_PER_MODULE = 10  # 25 mm wide at 570 dots; any printer's driver scales it down cleanly

_STYLE = """\
@page { size: A4; margin: 0; }
* { box-sizing: border-box; margin: 0; }
html { font: 11pt "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei",
  "WenQuanYi Micro Hei", sans-serif; color: #000; background: #fff;
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.page { width: 210mm; height: 297mm; overflow: hidden; position: relative;
  break-after: page; break-inside: avoid; }
.page:last-child { break-after: auto; }
.en { color: #333; }
"""


def html_document(title: Pair, style: str, body: str) -> str:
    """Return a whole page. ``title`` is escaped here; ``style`` and ``body`` stand as they are."""
    name = escape(" ".join(title))
    return (
        '<!doctype html>\n<html lang="zh-Hans">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{name}</title>\n<style>\n{_STYLE}{style}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def both(texts: Pair, tag: str = "p") -> str:
    """Return a text in both languages, one element each."""
    zh, en = map(escape, texts)
    return f'<{tag} lang="zh-Hans">{zh}</{tag}><{tag} class="en" lang="en">{en}</{tag}>'


def qr_svg(text: str, level: str = "h") -> str:
    """Return ``text`` as a QR code, an SVG picture with its white border.

    Level H: a sheet gets creased and greasy, and a short text needs no larger code for it. A pass
    is long: level M keeps its modules large.

    Raises: GatedError: segno is not installed; says what to do.
    """
    try:
        import segno
    except ImportError as exc:
        raise GatedError(
            "QR codes need segno: install gated with its extra 'office' (pip install "
            "'gated[office]') (缺少 segno，请安装 office 组件)"
        ) from exc
    code = segno.make_qr(text, error=level, boost_error=False)
    return str(code.svg_inline(border=4, omitsize=True, light="#fff"))


def save_qr(text: str, path: Path | None) -> int | None:
    """Return the version of the QR code of ``text``; write its picture to ``path`` if there is one.

    Level M, better where there is room. Without segno (extra ``office``) there is no version.

    Raises: GatedError: it is asked for and cannot be written.
    """
    try:
        import segno
    except ImportError as exc:
        if path is None:
            return None
        raise GatedError(f"{path}: needs segno: install gated with its extra 'office'") from exc
    qr = segno.make_qr(text, error="m", boost_error=True)
    if path is not None:
        if path.suffix.lower() not in {".png", ".svg"}:
            raise GatedError(f"{path}: the name must end in .png or .svg")
        try:
            qr.save(str(path), border=QR_QUIET_ZONE_MODULES, scale=QR_PIXELS_PER_MODULE)
        except OSError as exc:
            raise GatedError(f"{path}: cannot be written ({exc.strerror})") from exc
    return int(qr.version)


def print_qr(text: str, out: TextIO) -> None:
    """Print the QR code of ``text`` on a terminal; without segno (extra ``office``) say so."""
    try:
        import segno
    except ImportError:
        print("(no QR code: segno is not installed 未安装 segno)", file=out)
        return
    segno.make_qr(text, error="m").terminal(out, compact=True)


def check_page_name(path: Path) -> None:
    """Raise GatedError, saying what to do, unless ``path`` can be a page's."""
    if path.suffix.lower() not in {".html", ".htm"}:
        raise GatedError(
            f"--out {path}: the name must end in .html; a browser prints it, also as PDF "
            "(须以 .html 结尾)"
        )


def save_page(path: Path, text: str) -> None:
    """Write ``text`` to ``path``. Raises: GatedError: it is no .html, or cannot be written."""
    check_page_name(path)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise CannotWrite(f"--out {path}: cannot be written ({exc.strerror})") from exc
