"""The page of a study: one HTML file without scripts or a network, in both languages.

Every plot is an SVG picture with words for who cannot see it, and its numbers in a table beside it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from importlib.resources import files

from gated.tuning import words
from gated.tuning.plots import draw_svg
from gated.tuning.study import By, Study
from gated.tuning.tables import Row, Table
from gated.tuning.view import Danger, View
from gated.tuning.words import Text

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_DANGER_SIGN = '<path d="M12 4 21 19.500H3zM12 10v4.500M12 17v.1"/>'
_SAFE_SIGN = '<circle cx="12" cy="12" r="8.5"/><path d="M8.3 12.300l2.5 2.5 5-5.3"/>'
_PLOT_OF_TABLE = {"per_day": "distribution", "sweep": "sweep", "hour": "hour", "ambient": "ambient"}
_PLOT_OF_TABLE |= {"contact": "contact"}
_WIDE = {"sweep", "contact"}
"""Tables that need the whole width: their plots stand below."""

CAPTIONS: Mapping[str, Text] = {
    "distribution": (
        "首次读数的分布。竖线：阈值；浅色带：复测区间；红色三角：接触测温确认的发热",
        "First readings. Lines: thresholds; bands: measured again; red triangles: confirmed cases",
    ),
    "sweep": (
        "各阈值下判为高温的人次。浅色带：最少到最多；点线：复测",
        "Stopped as high at each threshold. Band: at least to at most; dotted: measured again",
    ),
    "hour": (
        "各时段判为高温的人次。虚线框：最多",
        "Stopped as high in each hour. Dotted frames: at most",
    ),
    "ambient": (
        "体温读数与环境温度。横线：阈值；红色三角：确认的发热。若整体倾斜，应先校准",
        "Readings and ambient. Lines: thresholds; red: confirmed cases. A slope: calibrate first",
    ),
    "contact": (
        "闸机减接触（Bland–Altman）。实线：平均；虚线：95 % 的差在其间",
        "Gate minus contact (Bland–Altman). Solid: mean; dashed: 95 % of the differences",
    ),
}


def page(study: Study, shown: View, made_at: datetime) -> str:
    """Return the whole page. Raises: GatedError: matplotlib is missing."""
    plots = draw_svg(study)
    style = files("gated.tuning").joinpath("page.css").read_text(encoding="utf-8")
    made = made_at.isoformat(sep=" ", timespec="minutes")
    title = " · ".join(shown.title)
    heading = f'<h1 id="title">{_spans(shown.title)}</h1>'
    body = "\n".join(
        (
            f'<header>\n{heading}\n<p class="quiet">gated tune · {escape(made)}</p>\n</header>',
            "<main>",
            *_first(shown),
            *_sections(shown, plots),
            _paste(shown),
            _notes(shown),
            "</main>",
        )
    )
    return (
        '<!doctype html>\n<html lang="zh-Hans">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _first(shown: View) -> Iterator[str]:
    """Yield what must be seen before anything else: warnings, then what was compared."""
    if shown.dangers:
        warnings = "\n".join(
            f'<div class="danger">{_sign(_DANGER_SIGN)}<div>{_danger(danger)}</div></div>'
            for danger in shown.dangers
        )
        yield f'<section role="alert">\n{warnings}\n</section>'
    if shown.safe is not None:
        sign = _sign(_SAFE_SIGN)
        yield f'<div class="safe" role="status">{sign}<div>{_paragraphs(shown.safe)}</div></div>'
    rows = "\n".join(
        f"<dt>{_inline(label)}</dt><dd>{_paragraphs(text)}</dd>" for label, text in shown.facts
    )
    facts = f'<dl class="facts">\n{rows}\n</dl>'
    yield f'<section class="card" aria-labelledby="title">\n{facts}\n</section>'


def _danger(danger: Danger) -> str:
    heads = "".join(
        f'<th scope="col">{_cell(head)}</th>'
        for head in (words.VISIT, words.GATE_C, words.CONTACT_C)
    )
    rows = "".join(_row(Row(case), has_mark=False) for case in danger.cases)
    more = _paragraphs(words.filled(words.MORE, n=danger.more)) if danger.more else ""
    return (
        f"{_paragraphs(danger.text)}<table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>{more}"
    )


def _sections(shown: View, plots: Mapping[str, bytes]) -> Iterator[str]:
    for table in shown.tables:
        plot = _PLOT_OF_TABLE.get(table.name, "")
        picture = _figure(plot, plots[plot]) if plot in plots else ""
        inner = _table(table) + _table_notes(table)
        if table.name == By.DAY.value:
            yield (
                f'<section class="card long"><details><summary>{_inline(table.title)}</summary>'
                f"{inner}</details></section>"
            )
            continue
        if picture and table.name in _WIDE:
            below = f'<div class="pair"><div>{_table_notes(table)}</div>{picture}</div>'
            inner = _table(table) + (below if table.notes else picture)
        elif picture:
            inner = f'<div class="pair"><div>{inner}</div>{picture}</div>'
        name = f"t-{table.name}"
        yield (
            f'<section class="card" aria-labelledby="{name}">\n'
            f'<h2 id="{name}">{_spans(table.title)}</h2>\n{inner}\n</section>'
        )


def _figure(name: str, svg: bytes) -> str:
    zh, en = CAPTIONS[name]
    source = f"data:image/svg+xml;base64,{b64encode(svg).decode()}"
    alt = escape(f"{zh}。{en}", quote=True)
    return (
        f'<figure class="below" data-plot="{name}"><img src="{source}" alt="{alt}">'
        f"<figcaption>{_paragraphs(CAPTIONS[name])}</figcaption></figure>"
    )


def _table(table: Table) -> str:
    if not table.heads:
        return ""
    has_marks = any(any(row.mark) for row in table.rows)
    heads = "".join(f'<th scope="col">{_cell(head)}</th>' for head in table.heads)
    heads += "<td></td>" if has_marks else ""
    rows = "\n".join(_row(row, has_mark=has_marks) for row in table.rows)
    label = escape(" · ".join(table.title), quote=True)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">\n'
        f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _row(row: Row, *, has_mark: bool) -> str:
    tone = f' data-tone="{row.tone.value}"' if row.tone else ""
    first, *others = row.cells
    cells = f'<th scope="row">{_cell(first)}</th>'
    cells += "".join(f"<td>{_cell(cell)}</td>" for cell in others)
    if has_mark:
        cells += f'<td class="mark">{_cell(row.mark)}</td>'
    return f"<tr{tone}>{cells}</tr>"


def _table_notes(table: Table) -> str:
    return "".join(f'<div class="note">{_paragraphs(note)}</div>' for note in table.notes)


def _paste(shown: View) -> str:
    notes = "".join(_paragraphs(note) for note in shown.paste_notes)
    if not shown.paste and not notes:
        return f'<section class="card">{_paragraphs(words.TRY)}</section>'
    lines = escape("\n".join(shown.paste))
    code = (
        f"<pre><code>{lines}</code></pre>\n<p>{_inline(words.THEN_RUN)}</p>\n"
        f"<pre><code>{escape(words.RELOAD)}</code></pre>"
        if shown.paste
        else ""
    )
    return (
        '<section class="card" aria-labelledby="t-paste">\n'
        f'<h2 id="t-paste">{_spans(shown.paste_into)}</h2>\n{code}\n{notes}\n</section>'
    )


def _notes(shown: View) -> str:
    items = "\n".join(f"<li>{_paragraphs(note)}</li>" for note in shown.notes)
    return f'<section class="card quiet">\n<ul>\n{items}\n</ul>\n</section>'


# --- words ----------------------------------------------------------------------------------------


def _cell(cell: str | Text) -> str:
    if isinstance(cell, str):
        return escape(cell)
    return _spans(cell) if cell[0] != cell[1] else escape(cell[0])


def _spans(text: Text) -> str:
    zh, en = map(escape, text)
    return f'<span lang="zh-Hans">{zh}</span> <span class="en" lang="en">{en}</span>'


def _inline(text: Text) -> str:
    zh, en = map(escape, text)
    return f'<span lang="zh-Hans">{zh}</span> · <span lang="en">{en}</span>'


def _paragraphs(text: Text) -> str:
    zh, en = map(escape, text)
    return f'<p lang="zh-Hans">{zh}</p><p class="en" lang="en">{en}</p>'


def _sign(path: str) -> str:
    return f'<svg class="sign" viewBox="0 0 24 24" aria-hidden="true">{path}</svg>'
