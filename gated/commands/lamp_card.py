"""``gated pass lamp-card``: what lamps and sounds mean, one page for visitors and one for staff.

Drawn from the tables that the gate itself plays and says (gated/actuators/signals.py,
gated/texts.py), so that a card that was printed anew cannot say anything else.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gated.commands import lamp_drawing
from gated.commands.lamp_drawing import LAMP_NAMES, draw_beeps, draw_lamps
from gated.errors import ExitCode
from gated.printing import both, html_document, save_page
from gated.texts import MODES, PROMPTS, Pair
from gated.vocabulary import Mode, Prompt

if TYPE_CHECKING:
    from gated.actuators.signals import Signal

DEFAULT_FILE = Path("lamp-card.html")
CALL_REPEAT_S = 60.0

TITLE: Pair = ("灯光与声音", "Lamps and sounds")
FOR_VISITORS: Pair = ("给来访者", "for visitors")
FOR_STAFF: Pair = ("给值班人员", "for staff")
HEADINGS: tuple[Pair, ...] = (("灯", "lamps"), ("声", "sound"), ("意思", "means"))

VISITOR_PROMPTS = (
    Prompt.FACE,
    Prompt.MEASURE_AGAIN,
    Prompt.SHOW_CODE,
    Prompt.HOLD_STILL,
    Prompt.SHOW_ANOTHER_CODE,
    Prompt.GO,
    Prompt.WAIT_STAFF,
    Prompt.OUT_OF_ORDER,
)
"""What a visitor meets; the voice says the rest."""

VISITOR_NOTES: tuple[Pair, ...] = (
    (
        "停下 {hint_after_s:g} 秒后，语音会告诉您该怎么做。",
        "If nothing goes on for {hint_after_s:g} s, a voice tells you what to do.",
    ),
    (
        "{staff_after_s:g} 秒没有进展，闸机会自己叫老师。没有手机、没有码，老师也会帮您。",
        (
            "After {staff_after_s:g} s without progress the gate calls staff by itself. "
            "Without a phone or a code they help you, too."
        ),
    ),
)
STAFF_NOTES: tuple[Pair, ...] = (
    (
        "铃响：有人在旁边等老师。每 {repeat_s:g} 秒再响，直到按围栏内的按钮。",
        (
            "Bell: somebody waits at the side. It rings again every {repeat_s:g} s until the "
            "button inside the fence is pressed."
        ),
    ),
    (
        "凡须由老师处理的情况，灯和声都一样，请勿当众询问原因。",
        (
            "Whatever staff must sort out looks and sounds the same. Do not ask for the reason "
            "in front of others."
        ),
    ),
    (
        (
            "处理：先测体温，刷工作卡，出示体温值卡上的码，{claim_s:g} 秒内按按钮。"
            "扫码坏了：转钥匙，再按按钮。"
        ),
        (
            "To release: measure, show the staff card, show the value's leaf, press the button "
            "within {claim_s:g} s. If no code is read: turn the key, then press the button."
        ),
    ),
    (
        "出口不归本机管：推门或按出门按钮即可离开。",
        "The way out is not this gate's: push the door or press the exit button.",
    ),
)
OBSERVING: Pair = (
    "只凭码放行，体温只记录",
    "it opens on the code alone and only records temperatures",
)
WINKING: Pair = (
    "没有人时等候灯偶尔一闪",
    "while nobody is there the wait lamp winks now and then",
)

_STYLE = """\
.page { height: auto; min-height: 296mm; overflow: visible; padding: 10mm 13mm; }
h1 { font-size: 18pt; line-height: 1.2; }
h1 span { margin-right: 3mm; }
h2 { font-size: 11pt; font-weight: 400; margin-bottom: 2mm; }
table { width: 100%; border-collapse: collapse; }
tr { break-inside: avoid; }
th, td { border-bottom: .2mm solid #999; padding: 1mm 2mm 1mm 0; text-align: left;
  vertical-align: middle; }
th { font-size: 8.5pt; }
th p { display: inline; margin-right: 1.5mm; }
.said { display: flex; gap: 3mm; align-items: baseline; }
.said [lang="zh-Hans"] { flex: 0 0 38%; }
.visitors .said p { font-size: 14pt; line-height: 1.25; }
.visitors td { padding: 2.6mm 3mm 2.6mm 0; }
.visitors .lamp { min-width: 12mm; }
.visitors .beeps { display: block; }
.visitors .beeps svg { display: block; }
.visitors .beeps p { display: inline; font-size: 9pt; margin-right: 1mm; }
.staff .said p, .staff .notes { font-size: 8pt; line-height: 1.2; }
.staff td:nth-child(2) { min-width: 38mm; }
.staff td { padding: .6mm 2mm .6mm 0; }
.staff .lamp svg { width: 4.6mm; height: 4.6mm; margin: .7mm; }
.legend { display: flex; gap: 6mm; margin-bottom: 1mm; }
.notes { margin-top: 3mm; padding-left: 5mm; font-size: 10.5pt; }
.notes li { margin-bottom: 1mm; }
"""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the cards say of one gate; the defaults are the configuration's."""

    name: str = ""  # none: the cards are for any gate
    lamps: tuple[str, ...] = tuple(LAMP_NAMES)  # that are wired
    has_buzzer: bool = True
    hint_after_s: float = 3.0
    staff_after_s: float = 15.0
    repeat_s: float = CALL_REPEAT_S
    claim_s: float = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_FILE,
        metavar="FILE.html",
        help=f"where to write the two pages; default: {DEFAULT_FILE}",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a gate's configuration: which lamps and sounds it has, and its times",
    )


def run(args: argparse.Namespace) -> int:
    from gated.actuators.signals import SIGNALS

    save_page(args.out, lamp_card(facts_of(args.config), SIGNALS))
    print(f"lamp card    {args.out}  (one page for visitors, one for staff)")
    print("next         print it at 100 % from a browser and put it up beside the lamps")
    print("下一步       用浏览器按 100% 打印，贴在指示灯旁。")
    return int(ExitCode.OK)


def facts_of(path: Path | None) -> CardFacts:
    """Return what the cards say of the gate whose configuration is at ``path``; none: any gate.

    Raises: ConfigError: the file cannot be used.
    """
    from gated.visit.state import CLAIM_S

    if path is None:
        return CardFacts(claim_s=CLAIM_S)
    from gated.config import load_gate

    config = load_gate(path)
    outputs, lamps = config.outputs, config.outputs.lamps
    call = outputs.call_staff
    return CardFacts(
        name=f"{config.gate.site} / {config.gate.name}",
        lamps=() if lamps is None else tuple(lamps.model_dump(exclude_none=True)),
        has_buzzer=outputs.buzzer is not None,
        hint_after_s=config.visit.hint_after_s,
        staff_after_s=config.visit.staff_after_s,
        repeat_s=CALL_REPEAT_S if call is None else call.repeat_s,
        claim_s=CLAIM_S,
    )


def lamp_card(
    facts: CardFacts,
    signals: Mapping[Prompt, Signal],
    prompts: Mapping[Prompt, Pair] = PROMPTS,
) -> str:
    """Return both pages as HTML: few rows for visitors, then everything, for staff."""
    few = [
        _row(signals[prompt], (prompts[prompt],), facts, is_named=True)
        for prompt in VISITOR_PROMPTS
    ]
    full = [
        _row(signal, [prompts[prompt] for prompt in said], facts)
        for signal, said in _alike(signals).items()
    ]
    full += _rows_of_observing(facts)
    legend = draw_lamps(facts.lamps, lit=facts.lamps, is_named=True)
    if "wait" in facts.lamps:
        legend += draw_lamps(("wait",), lit=("wait",), blinking=("wait",), is_named=True)
    visitors = _page("visitors", FOR_VISITORS, few, VISITOR_NOTES, facts)
    staff = _page("staff", FOR_STAFF, full, STAFF_NOTES, facts, legend)
    return html_document(TITLE, lamp_drawing.STYLE + _STYLE, visitors + staff)


def _alike(signals: Mapping[Prompt, Signal]) -> dict[Signal, list[Prompt]]:
    """Return the prompts that look and sound the same, together: one looks up what one sees."""
    alike: dict[Signal, list[Prompt]] = {}
    for prompt, signal in signals.items():
        alike.setdefault(signal, []).append(prompt)
    return alike


def _page(
    kind: str,
    who: Pair,
    rows: Sequence[str],
    notes: Sequence[Pair],
    facts: CardFacts,
    legend: str = "",
) -> str:
    head = "".join(f"<th>{both(heading)}</th>" for heading in HEADINGS)
    items = "".join(f"<li>{both(_filled(note, facts))}</li>\n" for note in notes)
    return (
        f'<section class="page {kind}">\n<h1>{both(TITLE, "span")}</h1>\n'
        f"<h2>{escape(' · '.join(filter(None, (*who, facts.name))))}</h2>\n"
        f'<div class="legend">{legend}</div>\n'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table>\n"
        f'<ul class="notes">\n{items}</ul>\n</section>\n'
    )


def _row(signal: Signal, texts: Sequence[Pair], facts: CardFacts, *, is_named: bool = False) -> str:
    wired = tuple(name for name in facts.lamps if name != "observe")  # lit whatever is said
    lamps = draw_lamps(wired, lit=signal.lamps, blinking=signal.blinks, is_named=is_named)
    beeps = draw_beeps(signal.beeps_s) if facts.has_buzzer else ""
    return _cells(lamps, beeps, texts)


def _rows_of_observing(facts: CardFacts) -> Iterator[str]:
    """Yield how mode observe shows: by a lamp of its own, or without one by the wait lamp."""
    (zh, en), (zh_means, en_means) = MODES[Mode.OBSERVE], OBSERVING
    if "observe" in facts.lamps:
        lamp = draw_lamps(("observe",), lit=("observe",))
        yield _cells(lamp, "", ((f"{zh}：{zh_means}", f"{en}: {en_means}"),))
    if not facts.name or "observe" not in facts.lamps:
        lamp = draw_lamps(("wait",), lit=("wait",), blinking=("wait",))
        zh_how, en_how = WINKING
        yield _cells(lamp, "", ((f"{zh_how}：{zh}", f"{en_how}: {en}"),))


def _cells(lamps: str, beeps: str, texts: Sequence[Pair]) -> str:
    said = "".join(f'<div class="said">{both(text)}</div>' for text in texts)
    return f"<tr><td>{lamps}</td><td>{beeps}</td><td>{said}</td></tr>\n"


def _filled(texts: Pair, facts: CardFacts) -> Pair:
    zh, en = texts
    values = dataclasses.asdict(facts)
    return zh.format_map(values), en.format_map(values)
