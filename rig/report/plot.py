"""The picture of a run: on the left ratios with their intervals, the judged measure first, then costs in both regimes;
on the right the judged measure round by round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from rig.experiment.costs import BATCH_SUFFIX
from rig.experiment.file.spec import CONTROL
from rig.experiment.judge.ratios import Row
from rig.experiment.judge.validity import unusable
from rig.experiment.measure import named
from rig.report.conclusion import Conclusion
from rig.report.lines import PART_TITLES, UNUSABLE, difference, is_cost
from rig.stats import Interval

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


def draw(of: Conclusion, path: Path, title: str) -> None:
    """Write the picture to `path` (its suffix says the format).

    Of the rows as many as a picture has room for: report.html has them all.
    """
    rows = _fitting(of)
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        tall = (0.02 + 0.15 * len(of.experiment.variants)) * len(rows) + 1.9
        figure = Figure(figsize=(11, tall), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
        handles = _ratios(left, of, rows)
        figure.legend(handles=handles, loc="outside lower left", ncols=4, frameon=False, fontsize=8.5)
        _rounds(right, of)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
        figure.savefig(path, dpi=150)


def _fitting(of: Conclusion) -> list[Row]:
    """Return the judged row, the costs part by part, each paced and batch, and of the rest what there is room for."""
    room = max(1, MOST // (len(of.experiment.variants) - 1))
    judged = of.experiment.expectation.measure
    parts = [f"{part}_cpu{suffix}" for part in PART_TITLES for suffix in ("", BATCH_SUFFIX)]

    def place(row: Row) -> tuple[bool, bool, int]:
        cost = row.measure in parts
        return row.measure != judged, not cost, parts.index(row.measure) if cost else 0

    return sorted(of.rows, key=place)[:room]


def _ratios(axes: Axes, of: Conclusion, rows: Sequence[Row]) -> list[Any]:
    """Draw them, and return what a legend shows of them."""
    base, *others = [variant.name for variant in of.experiment.variants]
    limit = _limit(rows)
    for place, row in enumerate(rows):
        step = 0.7 / len(others)  # of a measure's room, which is 1: the variants, then the control
        for index, other in enumerate(others):
            y = place - 0.35 + step * (index + 0.5)
            void = bool(unusable(of.verdict.invalid, row.measure))
            colour = GRID if void else COLOURS[(1 + index) % len(COLOURS)]
            _interval(axes, y, row.ratios.get(other), colour, limit, row.noise_floor)
            label = UNUSABLE if void else _label(row, other)
            axes.annotate(label, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=8)
        _interval(axes, place + 0.38, row.control, FAINT, limit, weight=0.6)
    axes.axvline(1, color=INK, linewidth=0.8, zorder=1)
    axes.set_xscale("log")
    axes.set_xlim(1 / limit, limit)
    ticks = NARROW_TICKS if limit < NARROW else WIDE_TICKS
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if 1 / limit <= tick <= limit]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(rows)), [_title(row.measure, of) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, zorder=0)
    axes.set_axisbelow(True)
    axes.set_title(f"ratio to “{base}”, with 95% interval (log scale)", loc="left", fontsize=9.5)
    handles = [axes.plot([], [], "o-", color=COLOURS[(1 + i) % len(COLOURS)], label=o)[0] for i, o in enumerate(others)]
    handles += axes.plot([], [], "o-", color=FAINT, markersize=3, linewidth=1, label=f"A/A control: “{base}” again")
    return handles


def _title(measure: str, of: Conclusion) -> str:
    """Return a short name: 'worker, paced', and the judged measure marked."""
    title = named(measure).title
    if is_cost(measure):
        regime, _, part = title.removeprefix("CPU per task, ").partition(": ")
        title = f"CPU per task: {part}, {regime}"
    return f"▸ {title}" if measure == of.experiment.expectation.measure else title


def _interval(
    axes: Axes, y: float, ratio: Interval | None, colour: str, limit: float, floor: float = 1.0, weight: float = 1.0
) -> None:
    if ratio is None:
        return
    inside = min(max(ratio.ratio, 1 / limit), limit)
    low, high = max(ratio.low, 1 / limit), min(ratio.high, limit)
    axes.plot([low, high], [y, y], color=colour, linewidth=2.2 * weight, solid_capstyle="butt", zorder=3)
    marker: Any = "o" if inside == ratio.ratio else ("<" if ratio.ratio < 1 else ">")
    clear = ratio.clear_of_one and abs(math.log(ratio.ratio)) > math.log(floor)
    face = colour if clear else "white"  # hollow: equal is possible, or it is within the noise
    size = 6.5 * weight
    axes.plot([inside], [y], marker, color=colour, markerfacecolor=face, markersize=size, zorder=4, clip_on=False)


def _label(row: Row, cell: str) -> str:
    """Return '×1.80, +886 tasks/s': the interval is drawn."""
    ratio, measure = row.ratios.get(cell), named(row.measure)
    if ratio is None:
        return ""
    apart = difference(row.differences.get(cell), measure.digits).partition(" ")[0]
    return f"×{ratio.ratio:.2f}, {apart} {measure.unit}".rstrip()


def _limit(rows: Sequence[Row]) -> float:
    """Return the end of the axis: room for every interval up to `WIDEST`."""
    floors = [ratio.floor for row in rows for ratio in row.ratios.values()]
    return min(WIDEST, max(1.15, 1.05 * max(floors, default=1)))


def _rounds(axes: Axes, of: Conclusion) -> None:
    """Draw each cell's values; runs of a series follow one another, with a line between them."""
    measure, names = of.experiment.expectation.measure, [variant.name for variant in of.experiment.variants]
    first = 1
    for run, result in enumerate(of.results):
        values = result.by_cell(measure)
        count = len(values[names[0]])
        for index, name in enumerate([*names, CONTROL]):
            colour = FAINT if name == CONTROL else COLOURS[index % len(COLOURS)]
            width = 1.0 if name == CONTROL else 1.8
            label = None if run else name
            rounds = range(first, first + count)
            axes.plot(rounds, values[name], "o-", color=colour, markersize=4, linewidth=width, label=label)
        first += count
        if run < len(of.results) - 1:
            axes.axvline(first - 0.5, color=FAINT, linewidth=0.8, linestyle="--")
    shown = named(measure)
    axes.set_title(f"{shown.title}\n({shown.unit}) in each round", loc="left", fontsize=9.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"round, of {len(of.results)} runs" if len(of.results) > 1 else "round")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=False, fontsize=8.5)
