"""``gated pass value-sheet``: one leaf for each reading of the contact thermometer.

A camera sees the whole of an A4 page, and two codes in view are ambiguous; a serial scanner would
take any of them. So the pages are cut into leaves of a quarter (A6), one code each, for a ring.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gated.credentials.value_sheet import HIGHEST_C, LOWEST_C, PREFIX, parse_value_sheet
from gated.errors import ExitCode, GatedError
from gated.printing import both, html_document, qr_svg, save_page
from gated.texts import Pair
from gated.vocabulary import ReleaseResult

if TYPE_CHECKING:
    from gated.policy import Rules

DEFAULT_FILE = Path("value-sheet.html")
LEAVES_A_PAGE = 4

_TAB_TOP_MM, _TAB_STEP_MM = 12, 25
"""The index at the edge: one place for each whole degree."""

_TENTHS = re.compile(r"[0-9]{2}\.[0-9]", re.ASCII)

TITLE: Pair = ("体温值卡", "Contact values")
STEPS: Sequence[Pair] = (
    (
        "先用接触式体温计测量，翻到该值。",
        "Measure with a contact thermometer, turn to that value.",
    ),
    ("出示工作卡。", "Show your staff card."),
    (
        "几人同时等候：再出示这位来访者自己的码。",
        "If several people wait: show this visitor's own pass.",
    ),
    (
        "出示这一页的码，用纸遮住其他码。",
        "Show this leaf's code, and cover the others.",
    ),
    (
        "{claim_s:g} 秒内按围栏内的按钮。",
        "Press the button inside the fence within {claim_s:g} s.",
    ),
)
NEVER_ALONE: Pair = (
    "单有卡或单按按钮都不开门。",
    "Neither the card nor the button alone opens.",
)
BEYOND: Pair = (
    "低于 {first} 请重测；高于 {last} 用 {last}。",
    "Below {first} measure again; above {last} use {last}.",
)
MAKING: Pair = (
    "不缩放打印，沿虚线剪开，四叠依次叠好，左上打孔穿环。勿用反光膜。",
    (
        "Print at 100 %, cut along the lines, put the four piles on each other in order, punch "
        "at the top left, put on a ring. No glossy film."
    ),
)
ONE_AT_A_TIME: Pair = ("一次只出示一页，遮住其他码", "one leaf at a time, cover the others")
SHORT: Pair = (
    "工作卡 → 此码 → 按钮，{claim_s:g} 秒内",
    "card → this code → button, within {claim_s:g} s",
)
MEANINGS: dict[ReleaseResult, Pair] = {
    ReleaseResult.CLEARED: ("放行一次", "opens once"),
    ReleaseResult.ISOLATED: ("不放行", "stays shut"),
}
SYMBOLS = {
    ReleaseResult.CLEARED: '<circle cx="5" cy="5" r="4.5" fill="none" stroke="#000"/>'
    '<path d="M2.6 5.2 4.4 7 7.4 3.4" fill="none" stroke="#000"/>',
    ReleaseResult.ISOLATED: '<path d="M.5.5h9v9h-9z"/><path d="M2 5h6" stroke="#fff" '
    'stroke-width="1.6"/>',
}

_STYLE = """\
.page { display: grid; grid-template: 148.5mm 148.5mm / 105mm 105mm; }
.leaf { position: relative; border: .2mm dashed #999; padding: 11mm 13mm 7mm 9mm;
  text-align: center; overflow: hidden; }
.leaf::before { content: ""; position: absolute; left: 6mm; top: 6mm; width: 5mm; height: 5mm;
  border: .2mm solid #999; border-radius: 50%; }
.value { font-size: 34pt; font-weight: 700; line-height: 1.1; }
.does { display: flex; gap: 3mm; align-items: center; justify-content: center;
  text-align: left; font-weight: 600; margin: 2mm 0; }
.does svg { width: 10mm; height: 10mm; flex: none; }
.code svg { display: block; width: 58mm; height: 58mm; margin: 0 auto; }
.small { font-size: 8.5pt; }
.tab { position: absolute; right: 6mm; width: 5mm; height: 22mm; color: #fff; background: #000;
  font-weight: 700; font-size: 9pt; writing-mode: vertical-rl; text-align: center;
  line-height: 5mm; }
.isolated .tab { background: repeating-linear-gradient(45deg, #000 0 1mm, #555 1mm 2mm); }
.text { text-align: left; padding-top: 15mm; font-size: 9.5pt; }
.text h1 { font-size: 15pt; margin-bottom: 2mm; }
.text ol { padding-left: 5mm; }
.text li, .text .note { margin-bottom: 1.5mm; }
.range { font-size: 22pt; font-weight: 700; margin-top: 30mm; }
.divider .does svg { width: 24mm; height: 24mm; }
"""


@dataclass(frozen=True, slots=True)
class Value:
    """One reading: its text as a code, and what it does in a release."""

    text: str
    contact_c: float
    result: ReleaseResult

    @property
    def label(self) -> str:
        return self.text.removeprefix(PREFIX)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_FILE,
        metavar="FILE.html",
        help=f"where to write the pages; default: {DEFAULT_FILE}",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a gate's configuration: its threshold counts; none: 37.3 °C and above stay shut",
    )
    for option, default, what in (
        ("--from", LOWEST_C, "the first value"),
        ("--to", HIGHEST_C, "the last value"),
    ):
        parser.add_argument(
            option,
            dest=option[2:] + "_tenths",
            type=_tenths,
            default=round(default * 10),
            metavar="C",
            help=f"{what} in °C; default: {default:.1f}",
        )


def run(args: argparse.Namespace) -> int:
    rules, name = _rules_of(args.config)
    values = values_of(args.from_tenths, args.to_tenths, rules)
    save_page(args.out, value_sheet(values, rules, name))
    print(f"value sheet  {args.out}  ({len(values)} values, {values[0].label} to", end=" ")
    print(f"{values[-1].label} °C, threshold {rules.temperature.fever_threshold_c:g} °C)")
    print("next         print it at 100 % from a browser, cut it into leaves, put them on a ring")
    print("下一步       用浏览器按 100% 打印，沿线剪开，穿环备用。")
    return int(ExitCode.OK)


def values_of(first_tenths: int, last_tenths: int, rules: Rules) -> tuple[Value, ...]:
    """Return every value from the first to the last, both in tenths of a °C and included.

    What each does is asked of the same function as at the gate. Raises: GatedError: there is none.
    """
    from gated.visit.records import release_result

    values = []
    for tenths in range(first_tenths, last_tenths + 1):
        text = f"{PREFIX}{tenths // 10}.{tenths % 10}"
        contact_c = parse_value_sheet(text)
        if contact_c is None:
            raise GatedError(
                f"no gate takes {tenths / 10:.1f} °C for a contact value: --from and --to lie "
                f"within {LOWEST_C:.1f} and {HIGHEST_C:.1f} (数值超出范围)"
            )
        values.append(Value(text, contact_c, release_result(contact_c, rules)))
    if not values:
        raise GatedError("--from is above --to: there is no value to print (没有可打印的数值)")
    return tuple(values)


def value_sheet(values: Sequence[Value], rules: Rules, name: str = "") -> str:
    """Return the pages as HTML. ``name`` is whose threshold it is, for the cover."""
    leaves = [_cover(values, rules, name)]
    for result in (ReleaseResult.CLEARED, ReleaseResult.ISOLATED):
        group = [value for value in values if value.result is result]
        if group:
            leaves.append(_divider(group))
            leaves += [_leaf(value) for value in group]
    pages = "".join(f'<section class="page">\n{page}</section>\n' for page in _pages(leaves))
    return html_document(TITLE, _STYLE, pages)


def _pages(leaves: Sequence[str]) -> Iterator[str]:
    """Yield the pages so that the four piles, cut and put on each other, are in order."""
    count = -(-len(leaves) // LEAVES_A_PAGE)
    padded = [*leaves, *['<div class="leaf"></div>\n'] * (count * LEAVES_A_PAGE - len(leaves))]
    for page in range(count):
        yield "".join(padded[page::count])


def _leaf(value: Value) -> str:
    top_mm = _TAB_TOP_MM + (int(value.contact_c) - int(LOWEST_C)) * _TAB_STEP_MM
    short = _filled(SHORT, {"claim_s": _claim_s()})
    return (
        f'<div class="leaf {value.result}" data-text="{escape(value.text)}">\n'
        f'<div class="value">{value.label} °C</div>\n{_does(value.result)}'
        f'<div class="code">{qr_svg(value.text)}</div>\n'
        f'<div class="small">{both(short)}{both(ONE_AT_A_TIME)}</div>\n'
        f'<div class="tab" style="top:{top_mm}mm">{value.label}</div>\n</div>\n'
    )


def _does(result: ReleaseResult) -> str:
    return (
        f'<div class="does"><svg viewBox="0 0 10 10" aria-hidden="true">{SYMBOLS[result]}</svg>'
        f"<div>{both(MEANINGS[result])}</div></div>\n"
    )


def _divider(group: Sequence[Value]) -> str:
    first, last = group[0], group[-1]
    return (
        f'<div class="leaf divider {first.result}">\n'
        f'<div class="range">{first.label} – {last.label} °C</div>\n{_does(first.result)}</div>\n'
    )


def _cover(values: Sequence[Value], rules: Rules, name: str) -> str:
    temperature = rules.temperature
    at = f"{temperature.fever_threshold_c:g} °C"
    is_inclusive = temperature.fever_threshold_inclusive
    where: Pair = (
        f"{at} {'及以上' if is_inclusive else '以上'}不放行，其余放行一次。",
        (
            f"{at if is_inclusive else f'Above {at}'}{' and above' if is_inclusive else ''}: stays "
            "shut; else opens once."
        ),
    )
    facts = {"claim_s": _claim_s(), "first": values[0].label, "last": values[-1].label}
    steps = "".join(f"<li>{both(_filled(step, facts))}</li>" for step in STEPS)
    notes = (where, NEVER_ALONE, _filled(BEYOND, facts), MAKING)
    return (
        f'<div class="leaf text">\n<h1>{" ".join(map(escape, TITLE))}</h1>\n'
        f"{f'<p>{escape(name)}</p>' if name else ''}<ol>{steps}</ol>\n"
        + "".join(f'<div class="note">{both(note)}</div>\n' for note in notes)
        + "</div>\n"
    )


def _filled(texts: Pair, facts: dict[str, object]) -> Pair:
    zh, en = texts
    return zh.format_map(facts), en.format_map(facts)


def _claim_s() -> float:
    from gated.visit.state import CLAIM_S

    return CLAIM_S


def _rules_of(path: Path | None) -> tuple[Rules, str]:
    """Return the rules of the gate that ``path`` describes, and its name; without one, our own."""
    from gated.policy import Rules

    if path is None:
        return Rules(), ""
    from gated.config import load_gate
    from gated.controller.rules import policy_rules

    config = load_gate(path)
    return policy_rules(config), f"{config.gate.site} / {config.gate.name}"


def _tenths(text: str) -> int:
    """Return ``text``, such as 37.3, in tenths of a °C."""
    if _TENTHS.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a value such as 37.3")
    return int(text.replace(".", ""))
