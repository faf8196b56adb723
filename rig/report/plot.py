"""The picture of a run: on the left every ratio with its interval, on the right the judged measure round by round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from rig.experiment.compare import Row
from rig.experiment.measure import named
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL
from rig.experiment.stats import Interval

INK, FAINT, GRID = "#1f2933", "#8a94a0", "#e4e8ec"
# Baseline first, then the other variants.
COLOURS = ("#44515e", "#0b62b8", "#c2571a", "#1d7f4e", "#7a3fb0", "#a98307", "#b3246b")
WIDEST = 4.0  # ratios beyond this (either way) are drawn as an arrow at the edge
NARROW = 1.6
MOST = 36  # ratios in a picture
NARROW_TICKS = (0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.4)
WIDE_TICKS = (0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4)
STYLE = {
    "font.size": 9, "font.family": "sans-serif", "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK,
    "ytick.color": INK, "axes.edgecolor": FAINT, "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip


def draw(result: Result, rows: Sequence[Row], path: Path, title: str) -> None:
    """Write the picture to `path` (its suffix says the format).

    Of `rows` as many as a picture has room for, the judged measure among them: report.html has them all.
    """
    rows = _fitting(result, rows)
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        tall = (0.12 + 0.17 * len(result.experiment.variants)) * len(rows) + 1.7
        figure = Figure(figsize=(11, tall), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
        _ratios(left, result, rows)
        _rounds(right, result)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
        figure.savefig(path, dpi=150)


def _fitting(result: Result, rows: Sequence[Row]) -> list[Row]:
    room = max(1, MOST // (len(result.experiment.variants) - 1))
    judged = result.experiment.expectation.measure
    kept = sorted(rows, key=lambda row: row.measure != judged)[:room]
    return [row for row in rows if row in kept]


def _ratios(axes: Axes, result: Result, rows: Sequence[Row]) -> None:
    base, *others = [variant.name for variant in result.experiment.variants]
    limit = _limit(rows)
    for place, row in enumerate(rows):
        step = 0.7 / len(others)  # of a measure's room, which is 1: the variants, then the control
        for index, other in enumerate(others):
            y = place - 0.35 + step * (index + 0.5)
            _interval(axes, y, row.ratios.get(other), COLOURS[(1 + index) % len(COLOURS)], limit, 1.0)
            label = _label(row.ratios.get(other))
            axes.annotate(label, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=8)
        _interval(axes, place + 0.38, row.control, FAINT, limit, 0.6)
    axes.axvline(1, color=INK, linewidth=0.8, zorder=1)
    axes.set_xscale("log")
    axes.set_xlim(1 / limit, limit)
    ticks = NARROW_TICKS if limit < NARROW else WIDE_TICKS
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if 1 / limit <= tick <= limit]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(rows)), [named(row.measure).title for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, zorder=0)
    axes.set_axisbelow(True)
    axes.set_title(f"ratio to “{base}”, with 95% interval (log scale)", loc="left", fontsize=9.5)
    handles = [axes.plot([], [], "o-", color=COLOURS[(1 + i) % len(COLOURS)], label=o)[0] for i, o in enumerate(others)]
    handles += axes.plot([], [], "o-", color=FAINT, markersize=3, linewidth=1, label=f"A/A control: “{base}” again")
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=4, frameon=False, fontsize=8.5)


def _interval(axes: Axes, y: float, ratio: Interval | None, colour: str, limit: float, weight: float) -> None:
    if ratio is None:
        return
    inside = min(max(ratio.ratio, 1 / limit), limit)
    low, high = max(ratio.low, 1 / limit), min(ratio.high, limit)
    axes.plot([low, high], [y, y], color=colour, linewidth=2.2 * weight, solid_capstyle="butt", zorder=3)
    marker: Any = "o" if inside == ratio.ratio else ("<" if ratio.ratio < 1 else ">")
    face = colour if ratio.clear_of_one else "white"  # hollow: equal is possible
    size = 6.5 * weight
    axes.plot([inside], [y], marker, color=colour, markerfacecolor=face, markersize=size, zorder=4, clip_on=False)


def _label(ratio: Interval | None) -> str:
    return "" if ratio is None else f"{ratio.ratio:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _limit(rows: Sequence[Row]) -> float:
    """Return the end of the axis: room for every interval up to `WIDEST`."""
    floors = [ratio.floor for row in rows for ratio in row.ratios.values()]
    return min(WIDEST, max(1.15, 1.05 * max(floors, default=1)))


def _rounds(axes: Axes, result: Result) -> None:
    measure = result.experiment.expectation.measure
    values = result.by_cell(measure)
    names = [variant.name for variant in result.experiment.variants]
    for index, name in enumerate([*names, CONTROL]):
        colour = FAINT if name == CONTROL else COLOURS[index % len(COLOURS)]
        rounds = range(1, len(values[name]) + 1)
        width = 1.0 if name == CONTROL else 1.8
        axes.plot(rounds, values[name], "o-", color=colour, markersize=4, linewidth=width, label=name)
    shown = named(measure)
    axes.set_title(f"{shown.title} ({shown.unit}) in each round", loc="left", fontsize=9.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(FixedLocator(range(1, len(result.whole_rounds) + 1)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=False, fontsize=8.5)
