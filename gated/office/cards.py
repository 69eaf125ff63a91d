"""Pages to print: ten cards a page, a sheet for the class's teacher, slips for visitors.

The name is printed; in the code there is a pseudonym only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from gated.office.moments import shown_span
from gated.office.passes import Holder, PassKind, RegisteredPass, shown_number
from gated.printing import both, html_document, qr_svg
from gated.texts import CATEGORIES, Pair
from gated.vocabulary import Direction, HolderCategory

CARDS_A_PAGE, ROWS_A_PAGE, SLIPS_A_PAGE = 10, 18, 4
LONG_NAME_CHARACTERS, LONGER_NAME_CHARACTERS = 6, 14
"""From here on a name is printed smaller, so that it fits beside the code."""

CARDS_TITLE: Pair = ("通行证", "Passes")
SHEET_TITLE: Pair = ("班级通行证总表", "Class sheet")
SLIP_TITLE: Pair = ("来访通行单", "Visitor's pass")
LOST: Pair = (
    "遗失请立即告诉老师或办公室：旧卡作废，补发新卡。",
    "Lost? Tell the office at once: this card is stopped and you get another.",
)
NOT_COPIED: Pair = ("请勿复印、拍照转发。", "Do not copy or photograph it.")
SHEET_NOTE: Pair = (
    "供老师备用，锁好保管。一次只出示一个码，遮住其他码。",
    "For the teacher; keep it locked. Show one code at a time and cover the others.",
)
RETURN: Pair = ("离开时请交还。", "Please give it back when you leave.")
GUARDIAN: Pair = ("由监护人携带：{name}", "carried by the guardian: {name}")
ATTENDANT: Pair = ("值守放行卡，勿离身", "can release: never lend it")
DIRECTIONS: Mapping[Direction, Pair] = {
    Direction.IN: ("仅进", "in only"),
    Direction.OUT: ("仅出", "out only"),
}
EITHER_WAY: Pair = ("进出均可", "in and out")

_STYLE = """\
.page { padding: 13.5mm 19.4mm; }
.cards { display: grid; grid-template: repeat(5, 54mm) / 85.6mm 85.6mm; }
.card { outline: .1mm dashed #999; padding: 3mm; display: grid; overflow: hidden;
  grid-template: auto 1fr auto / 35mm 1fr; column-gap: 2mm; }
.card .code { grid-row: 1 / 4; align-self: center; }
.code svg { display: block; width: 35mm; height: 35mm; margin: 0 auto; }
.site { font-size: 7.5pt; text-align: center; }
.name { font-size: 20pt; font-weight: 700; line-height: 1.1; overflow-wrap: anywhere; }
.name.long { font-size: 14pt; }
.name.longer { font-size: 9.5pt; }
.facts { font-size: 8.5pt; line-height: 1.25; }
.facts b { font-size: 10.5pt; }
.small { font-size: 5.6pt; line-height: 1.2; }
.number { font-size: 8.5pt; font-weight: 700; text-align: center; }
.sheet { padding: 10mm 12mm; }
.sheet h1 { font-size: 13pt; }
.sheet .small { font-size: 8pt; margin-bottom: 2mm; display: flex; gap: 4mm; }
.rows { display: grid; grid-template-columns: 1fr 1fr; column-gap: 4mm; }
.row { display: grid; grid-template-columns: 28mm 1fr; column-gap: 3mm; align-items: center;
  height: 28.5mm; border-bottom: .2mm solid #999; }
.row .code svg { width: 27.5mm; height: 27.5mm; }
.row .name { font-size: 13pt; }
.row .name.longer { font-size: 10pt; }
.slips { padding: 0; display: grid; grid-template: 148.5mm 148.5mm / 105mm 105mm; }
.slip { outline: .1mm dashed #999; padding: 9mm; text-align: center; overflow: hidden; }
.slip .code svg { width: 56mm; height: 56mm; }
.slip .facts { font-size: 10pt; margin: 2mm 0; }
.slip .small { font-size: 7.5pt; }
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A pass as it is printed."""

    item: RegisteredPass
    text: str
    guardian: str = ""  # name of who carries it
    host: str = ""  # who answers for a visitor


def card_of(item: RegisteredPass, text: str, holders: Mapping[str, Holder]) -> Card:
    """Return ``item`` with the names that stand on its card; ``holders`` by pseudonym."""
    guardian = holders.get(item.claims.guardian_ref or "")
    host = holders.get(item.claims.approver or "")
    return Card(
        item,
        text,
        guardian="" if guardian is None else guardian.name,
        host=(item.claims.approver or "") if host is None else host.name,
    )


def cards_page(cards: Sequence[Card], site: str) -> str:
    """Return the cards as HTML, ten a page, with lines to cut along."""
    pages = "".join(
        f'<section class="page cards">\n{"".join(_card(card, site) for card in page)}</section>\n'
        for page in _portions(cards, CARDS_A_PAGE)
    )
    return html_document(CARDS_TITLE, _STYLE, pages)


def sheet_page(cards: Sequence[Card], site: str) -> str:
    """Return every card as a row, each class on pages of its own, by name."""
    ordered = sorted(cards, key=lambda card: (card.item.claims.group or "", card.item.number))
    pages = [
        _sheet(group, page, site)
        for group, members in groupby(ordered, lambda card: card.item.claims.group or "")
        for page in _portions(list(members), ROWS_A_PAGE)
    ]
    return html_document(SHEET_TITLE, _STYLE, "".join(pages))


def slips_page(cards: Sequence[Card], site: str) -> str:
    """Return slips for visitors and retest releases, four a page."""
    pages = "".join(
        f'<section class="page slips">\n{"".join(_slip(card, site) for card in page)}</section>\n'
        for page in _portions(cards, SLIPS_A_PAGE)
    )
    return html_document(SLIP_TITLE, _STYLE, pages)


def _portions(cards: Sequence[Card], size: int) -> Iterator[Sequence[Card]]:
    for start in range(0, len(cards), size):
        yield cards[start : start + size]


def _card(card: Card, site: str) -> str:
    item = card.item
    return (
        f'<div class="card" data-number="{item.number}">\n'
        f'<div class="code"><div class="site">{escape(site)}</div>{qr_svg(card.text, "m")}'
        f'<div class="number">{shown_number(item.number)}</div></div>\n'
        f'{_name(item)}<div class="facts">{_facts(card)}</div>\n'
        f'<div class="small">{both(LOST)}{both(NOT_COPIED)}</div>\n</div>\n'
    )


def _sheet(group: str, cards: Sequence[Card], site: str) -> str:
    rows = "".join(
        f'<div class="row" data-number="{card.item.number}">'
        f'<div class="code">{qr_svg(card.text, "m")}</div>\n'
        f'<div>{_name(card.item)}<div class="facts">{shown_number(card.item.number)} · '
        f"{escape(card.item.claims.sub)}<br>{_span(card.item)}"
        f"{'<br>' if card.guardian else ''}{_carried(card)}</div></div></div>\n"
        for card in cards
    )
    heading = " · ".join(filter(None, (site, group, " ".join(SHEET_TITLE))))
    return (
        f'<section class="page sheet">\n<h1>{escape(heading)}</h1>\n'
        f'<div class="small">{both(SHEET_NOTE)}</div>\n<div class="rows">\n{rows}</div>\n'
        "</section>\n"
    )


def _slip(card: Card, site: str) -> str:
    item, claims = card.item, card.item.claims
    uses = claims.max_uses
    facts = [
        _pair(CATEGORIES[claims.category]),
        f"<b>{_span(item)}</b>",
        _pair(("接待 host:", card.host)) if card.host else "",
        _pair(DIRECTIONS.get(claims.direction, EITHER_WAY)),
        _pair((f"可用 {uses} 次", f"uses: {uses}")) if uses else "",
        _pair(("区域 zones:", "、".join(claims.zones))) if claims.zones else "",
    ]
    last = both(RETURN) if item.kind is PassKind.VISITOR else ""
    return (
        f'<div class="slip" data-number="{item.number}">\n<div class="site">{escape(site)}</div>\n'
        f'{_name(item)}<div class="code">{qr_svg(card.text, "m")}</div>\n'
        f'<div class="number">{shown_number(item.number)}</div>\n'
        f'<div class="facts">{"<br>".join(filter(None, facts))}</div>\n'
        f'<div class="small">{last}{both(NOT_COPIED)}</div>\n</div>\n'
    )


def _facts(card: Card) -> str:
    claims = card.item.claims
    category = CATEGORIES[claims.category]
    lines = [
        f"<b>{escape(claims.group or '')}</b>" if claims.group else "",
        "" if claims.category is HolderCategory.STUDENT else _pair(category),
        _span(card.item),
        _pair(ATTENDANT) if claims.is_attendant else "",
        _carried(card),
        escape("、".join(claims.zones)),
    ]
    return "<br>".join(filter(None, lines))


def _name(item: RegisteredPass) -> str:
    name = item.holder.name
    size = ""
    if len(name) > LONGER_NAME_CHARACTERS:
        size = " longer"
    elif len(name) > LONG_NAME_CHARACTERS:
        size = " long"
    return f'<div class="name{size}">{escape(name)}</div>\n'


def _span(item: RegisteredPass) -> str:
    return escape(shown_span(item.claims.not_before, item.claims.expires_at))


def _carried(card: Card) -> str:
    if not card.guardian:
        return ""
    return _pair([text.format(name=card.guardian) for text in GUARDIAN])


def _pair(texts: Sequence[str]) -> str:
    return escape(" ".join(texts))
