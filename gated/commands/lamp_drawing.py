"""Lamps and beeps as SVG pictures: by shape and word as well as colour.

One man in twelve does not tell red from green, and paper is often printed in grey.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from gated.printing import both
from gated.texts import Pair

LAMP_NAMES: Mapping[str, Pair] = {
    "go": ("通行", "go"),
    "wait": ("等候", "wait"),
    "code": ("出示码", "code"),
    "observe": ("试运行", "observe"),
}
BLINKS: Pair = ("闪", "blinks")
SHORT_BEEP: Pair = ("短", "short")
LONG_BEEP: Pair = ("长", "long")
LONG_BEEP_S = 0.3

_COLOURS: Mapping[str, str] = {
    "go": "#1c9a4b",
    "wait": "#e0a800",
    "code": "#2064b0",
    "observe": "#8a4fbf",
}
_SHAPES: Mapping[str, tuple[str, str]] = {
    # the lamp's outline, and the sign in it, in a box of 20 x 20
    "go": ('<circle cx="10" cy="10" r="8"/>', '<path d="M6 10h8m-3-3 3 3-3 3"/>'),
    "wait": ('<path d="M2 2h16v16H2z"/>', '<path d="M8 6v8m4-8v8"/>'),
    "code": ('<path d="M10 1 19 10 10 19 1 10z"/>', '<path d="M7 7h6v6H7zm3 3h.1"/>'),
    "observe": ('<path d="M10 2 19 18H1z"/>', '<path d="M10 8v5m0 2.4v.1"/>'),
}
_RAYS = (
    '<path class="rays" d="M10-1v-3M-1 10h-3m25 0h3M0 0l-2-2m22 2 2-2M10 21v3M0 20l-2 2m22-2 2 2"/>'
)

_MM_PER_S, _SHORTEST_MM, _GAP_MM, _BEEP_HEIGHT_MM = 25.0, 3.0, 2.0, 3.0
"""Beeps are drawn to scale, yet never so short that they cannot be seen."""

STYLE = """\
.lamps { display: flex; gap: 3mm; }
.lamp { text-align: center; font-size: 7pt; line-height: 1.2; }
.lamp svg { width: 9mm; height: 9mm; overflow: visible; display: block; margin: 1mm auto; }
.outline { stroke: #000; stroke-width: 1; fill: #fff; }
.off .outline { stroke: #aaa; stroke-dasharray: 1.5 1.5; }
.sign { fill: none; stroke: #fff; stroke-width: 2; stroke-linecap: round; }
.off .sign { stroke: none; }
.rays { fill: none; stroke: #000; stroke-width: 1.4; stroke-linecap: round; }
.blinks svg { margin-bottom: 2mm; }
.beeps { display: flex; flex-wrap: wrap; align-items: center; gap: .6mm 1.5mm; }
.beeps svg { height: 3mm; }
.beeps p { font-size: 7.5pt; white-space: nowrap; }
"""


def draw_lamps(
    wired: Sequence[str],
    *,
    lit: Collection[str] = (),
    blinking: Collection[str] = (),
    is_named: bool = False,
) -> str:
    """Return the ``wired`` lamps in a row: which of them are lit, and which of these blink."""
    drawn = "".join(
        _draw_lamp(name, is_lit=name in lit, is_blinking=name in blinking, is_named=is_named)
        for name in LAMP_NAMES
        if name in wired
    )
    return f'<div class="lamps">{drawn}</div>'


def _draw_lamp(name: str, *, is_lit: bool, is_blinking: bool, is_named: bool) -> str:
    outline, sign = _SHAPES[name]
    fill = f' style="fill:{_COLOURS[name]}"' if is_lit else ""
    words = both(LAMP_NAMES[name], "div") if is_named and is_lit else ""
    if is_named and is_blinking:
        words += both(BLINKS, "div")
    state = "blinks" if is_blinking else "on" if is_lit else "off"
    return (
        f'<div class="lamp {state}" data-lamp="{name}"><svg viewBox="0 0 20 20" aria-hidden="true">'
        f'<g class="outline"{fill}>{outline}</g><g class="sign">{sign}</g>'
        f"{_RAYS if is_blinking else ''}</svg>{words}</div>"
    )


def draw_beeps(beeps_s: Sequence[float]) -> str:
    """Return sound and silence in turn, in s, as bars and words; nothing at all for silence."""
    if not beeps_s:
        return ""
    x_mm, bars = 0.0, []
    for position, length_s in enumerate(beeps_s):
        if position % 2:
            x_mm += max(_GAP_MM, length_s * _MM_PER_S)
            continue
        width_mm = max(_SHORTEST_MM, length_s * _MM_PER_S)
        bars.append(
            f'<rect x="{x_mm:.1f}" width="{width_mm:.1f}" height="{_BEEP_HEIGHT_MM}" rx="1"/>'
        )
        x_mm += width_mm
    spoken = _in_words(beeps_s[::2])
    return (
        f'<div class="beeps"><svg viewBox="0 0 {x_mm:.1f} {_BEEP_HEIGHT_MM}" '
        f'style="width:{x_mm:.1f}mm" aria-hidden="true">{"".join(bars)}</svg>'
        f"{both(spoken)}</div>"
    )


def _in_words(sounds_s: Sequence[float]) -> Pair:
    """Return such as ("短 ×2", "short ×2") or ("短、长", "short, long")."""
    words = [LONG_BEEP if sound_s >= LONG_BEEP_S else SHORT_BEEP for sound_s in sounds_s]
    if len(words) > 1 and len(set(words)) == 1:
        zh, en = words[0]
        return f"{zh} ×{len(words)}", f"{en} ×{len(words)}"
    return "、".join(zh for zh, _ in words), ", ".join(en for _, en in words)
