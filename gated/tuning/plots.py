"""The plots of a study, by matplotlib: each as SVG for the page, all together as PNG.

What is written in them is numbers, units and English words: few machines have a font for Chinese
that matplotlib finds. The page says the rest in both languages, and every plot's numbers stand in a
table beside it. Colour never stands alone: today is solid and dark, what is proposed is dashed and
blue, a confirmed case is a red triangle.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gated.errors import GatedError
from gated.tuning.cases import agreement
from gated.tuning.study import By, Study, Swept, Tally
from gated.tuning.trial import Trial
from gated.tuning.words import degrees

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

TODAY, PROPOSED, CASE, QUIET = "#16202b", "#2257b8", "#b3243a", "#8a96a3"
_SIZE_IN = (5.6, 3.5)
_PNG_DPI = 150
_STYLE: Any = {
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#566372",
    "axes.labelcolor": "#16202b",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e8ed",
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "svg.hashsalt": "gated",  # the same study gives the same bytes
}
_MANY = 30
"""From so many on, the few near the threshold would vanish: the axis becomes logarithmic."""
_FEW_POINTS, _MOST_POINTS = 300, 4_000
_TENTH_C, _STEP_C = 0.1, 0.05
_DAY_BEGINS, _DAY_ENDS = 6, 19
"""Hours that are shown even if nobody came: one bar alone would fill the picture."""
_LEAST_AMBIENT_C = 2.0
"""The same for ambient temperatures: at least so much to both sides of the middle."""


def need_matplotlib() -> None:
    """Raise GatedError if plots cannot be drawn; says what to do."""
    try:
        import matplotlib as mpl  # noqa: F401 - only whether it is there
    except ImportError as exc:
        raise GatedError(
            "plots need matplotlib: pip install 'gated[tools]', or run `make` in the project's "
            "folder; the table alone needs nothing (缺少 matplotlib，请安装 tools 组件)"
        ) from exc


def plots_of(study: Study) -> Mapping[str, Callable[[Axes, Study], None]]:
    """Return what there is to draw: by name, each with its title in English."""
    found: dict[str, Callable[[Axes, Study], None]] = {
        "distribution": _distribution,
        "sweep": _sweep,
    }
    if study.groups[By.HOUR]:
        found["hour"] = _hours
    if study.ambient_and_body:
        found["ambient"] = _ambient
    if agreement(study) is not None:
        found["contact"] = _contact
    return found


TITLES: Mapping[str, str] = {
    "distribution": "body temperatures",
    "sweep": "stopped as high, by threshold",
    "hour": "stopped as high, by hour",
    "ambient": "body and ambient temperature",
    "contact": "contact thermometer against gate",
}


def draw_svg(study: Study) -> dict[str, bytes]:
    """Return each plot as an SVG file, by name."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawn = {}
    with mpl.rc_context(_STYLE):
        for name, draw in plots_of(study).items():
            figure = Figure(figsize=_SIZE_IN, layout="constrained")
            FigureCanvasSVG(figure)
            axes = figure.add_subplot()
            draw(axes, study)
            _add_legend(figure, axes)
            out = io.BytesIO()
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
            drawn[name] = out.getvalue()
    return drawn


def draw_png(study: Study) -> bytes:
    """Return all plots in one picture."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        plots = plots_of(study)
        rows = (len(plots) + 1) // 2
        figure = Figure(figsize=(2 * _SIZE_IN[0], rows * _SIZE_IN[1]), layout="constrained")
        FigureCanvasAgg(figure)
        parts = figure.subfigures(rows, 2, squeeze=False).flat
        for part, (name, draw) in zip(parts, plots.items(), strict=False):
            axes = part.add_subplot()
            draw(axes, study)
            _add_legend(part, axes, title=TITLES[name])
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return out.getvalue()


def _add_legend(figure: FigureBase, axes: Axes, title: str = "") -> None:
    """Put the legend above the plot: inside, it would hide some of it."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=2,
        title=title or None,
        alignment="left",
        title_fontproperties={"weight": "bold", "size": 11},
    )


# --- one plot each --------------------------------------------------------------------------------


def _trials(study: Study) -> list[tuple[str, Trial, str, str]]:
    """Return (name, trial, colour, line style) of what is compared."""
    found = [("today", study.question.today, TODAY, "-")]
    if study.question.proposed is not None:
        found.append(("proposed", study.question.proposed, PROPOSED, "--"))
    return found


def _limit(trial: Trial) -> str:
    sign = "≥" if trial.rules.fever_threshold_inclusive else ">"
    return f"{sign} {degrees(trial.rules.fever_threshold_c)} °C"


def _distribution(axes: Axes, study: Study) -> None:
    first, last = min(study.first_readings), max(study.first_readings)
    counts = [study.first_readings[tenth] for tenth in range(first, last + 1)]
    edges = [tenth * _TENTH_C for tenth in range(first, last + 2)]
    axes.stairs(counts, edges, fill=True, color="#c9d2db", label="recorded")
    offset_c = study.question.then.offset_c
    if offset_c:
        shifted = [edge + offset_c for edge in edges]
        axes.stairs(counts, shifted, color=PROPOSED, lw=1.2, label=f"with {offset_c:+g} °C")
    for name, trial, colour, line in _trials(study):
        axes.axvspan(
            trial.guard_from_c,
            trial.guard_to_c,
            ymax=1.0 if colour == TODAY else 0.94,
            facecolor=colour,
            alpha=0.08,
            zorder=0,
        )
        axes.axvline(
            trial.rules.fever_threshold_c, color=colour, ls=line, lw=1.8,
            label=f"{name} {_limit(trial)}",
        )  # fmt: skip
    cases = [v.readings_c[0] for v in study.verified if v.is_case and v.readings_c]
    if cases:
        # In axes' own height: at the foot, whatever the scale of the counts.
        axes.plot(
            cases, [0.03] * len(cases), "^", color=CASE, ms=6, transform=axes.get_xaxis_transform(),
            label=f"contact ≥ {degrees(study.question.contact_threshold_c)} °C", clip_on=False,
        )  # fmt: skip
    if max(counts, default=0) >= _MANY:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:.0f}")
        axes.set_ylim(bottom=0.7)
    else:
        _count_whole(axes)
    axes.set_xlabel("first reading, °C")
    axes.set_ylabel("visits")


def _sweep(axes: Axes, study: Study) -> None:
    days = max(1, study.days)
    at = [swept.trial.rules.fever_threshold_c for swept in study.sweep]
    least = [swept.shown.high / days for swept in study.sweep]
    most = [swept.shown.most_high / days for swept in study.sweep]
    is_proposed = study.question.proposed is not None
    colour = PROPOSED if is_proposed else TODAY
    axes.fill_between(at, least, most, color=colour, alpha=0.15, lw=0, label="at least … at most")
    expected = [
        None if swept.expected_high is None else swept.expected_high / days for swept in study.sweep
    ]
    if any(value is not None for value in expected):
        line = [low if value is None else value for low, value in zip(least, expected, strict=True)]
        axes.plot(at, line, color=colour, lw=1.8, label="stopped as high (≈ where unknown)")
    else:
        axes.plot(at, least, color=colour, lw=1.2)
        axes.plot(at, most, color=colour, lw=1.2)
    again = [swept.shown.again / days for swept in study.sweep]
    axes.plot(at, again, color=QUIET, lw=1.2, ls=":", label="measured again")
    for (name, trial, mark_colour, _), swept, marker in zip(
        _trials(study), (study.now, study.then), ("o", "D"), strict=False
    ):
        axes.plot(
            [trial.rules.fever_threshold_c], [_middle(swept) / days], marker,
            ms=8, color=mark_colour,
            label=f"{name} {degrees(trial.rules.fever_threshold_c)} °C",
        )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_xlabel("threshold, °C")
    axes.set_ylabel("visits a day" if study.days else "visits")


def _middle(swept: Swept) -> float:
    if swept.expected_high is not None:
        return swept.expected_high
    return (swept.shown.high + swept.shown.most_high) / 2


def _hours(axes: Axes, study: Study) -> None:
    hours = sorted(int(hour) for hour in study.groups[By.HOUR])
    trials = _trials(study)
    width = 0.8 / len(trials)
    for n, (name, _, colour, _) in enumerate(trials):
        pairs = [study.groups[By.HOUR][hour] for hour in hours]
        tallies: list[Tally] = [pair.then if n else pair.now for pair in pairs]
        left = [hour + 0.1 + n * width for hour in hours]
        axes.bar(
            left, [t.high for t in tallies], width=width, align="edge", color=colour,
            hatch="//" if n else None, edgecolor="white" if n else colour, lw=0, label=name,
        )  # fmt: skip
        axes.bar(
            left,
            [t.unknown for t in tallies],
            bottom=[t.high for t in tallies],
            width=width,
            align="edge",
            fill=False,
            edgecolor=colour,
            ls=":",
            label="at most" if any(t.unknown for t in tallies) and n == len(trials) - 1 else None,
        )
    axes.set_xlim(min(_DAY_BEGINS, hours[0]), max(_DAY_ENDS, hours[-1] + 1))
    axes.set_xticks([hour + 0.5 for hour in hours], [f"{hour}" for hour in hours])
    _count_whole(axes)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("hour")
    axes.set_ylabel("stopped as high, visits")


def _ambient(axes: Axes, study: Study) -> None:
    points = study.ambient_and_body
    some = points.most_common(_MOST_POINTS)
    ambient = [tenth * _TENTH_C for (tenth, _), _ in some]
    body = [step * _STEP_C for (_, step), _ in some]
    is_few = len(some) < _FEW_POINTS
    axes.scatter(
        ambient, body, s=14 if is_few else 6, color="#566372", alpha=0.7 if is_few else 0.35, lw=0,
        rasterized=not is_few, label="visits",
    )  # fmt: skip
    for name, trial, colour, line in _trials(study):
        # On the recorded readings: with an offset the limit lies that much lower for them.
        limit_c = trial.rules.fever_threshold_c - trial.offset_c
        axes.axhline(limit_c, color=colour, ls=line, lw=1.5, label=f"{name} {_limit(trial)}")
    middle = (min(ambient) + max(ambient)) / 2
    reach = max(_LEAST_AMBIENT_C, (max(ambient) - min(ambient)) / 2 + 0.5)
    axes.set_xlim(middle - reach, middle + reach)
    cases = [(v.ambient_c, v.body_c) for v in study.verified if v.is_case and v.body_c is not None]
    known = [(ambient_c, body_c) for ambient_c, body_c in cases if ambient_c is not None]
    if known:
        axes.plot(
            [round(ambient_c, 1) for ambient_c, _ in known], [body_c for _, body_c in known], "^",
            ms=7,
            color=CASE, mec="white", mew=0.6, ls="",
            label=f"contact ≥ {degrees(study.question.contact_threshold_c)} °C",
        )  # fmt: skip
    axes.set_xlabel("ambient, °C")
    axes.set_ylabel("body at the gate, °C")


def _contact(axes: Axes, study: Study) -> None:
    found = agreement(study)
    assert found is not None  # noqa: S101 - plots_of leaves it out otherwise
    for is_case, marker, colour, name in (
        (False, "o", "#566372", "others"),
        (True, "^", CASE, f"contact ≥ {degrees(study.question.contact_threshold_c)} °C"),
    ):
        pairs = [
            (v.body_c, v.contact_c)
            for v in study.verified
            if v.is_case is is_case and v.body_c is not None
        ]
        axes.plot(
            [(body_c + contact_c) / 2 for body_c, contact_c in pairs],
            [contact_c - body_c for body_c, contact_c in pairs],
            marker, color=colour, ms=6, mec="white", mew=0.5, ls="", label=name,
            rasterized=len(pairs) > _FEW_POINTS,
        )  # fmt: skip
    axes.axhline(0, color=QUIET, lw=0.8)
    axes.axhline(found.bias_c, color=TODAY, lw=1.5, label=f"bias {found.bias_c:+.2f} °C")
    axes.axhline(found.loa_low_c, color=TODAY, lw=1.0, ls="--")
    axes.axhline(found.loa_high_c, color=TODAY, lw=1.0, ls="--", label="95 % of the differences")
    axes.set_xlabel("mean of gate and contact, °C")
    axes.set_ylabel("contact − gate, °C")


def _count_whole(axes: Axes) -> None:
    """Let the counts' axis have whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
