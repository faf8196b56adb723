"""The picture of a freeze: each request's latency over the time it was due, on one logarithmic axis for both loops."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from rig.freeze.record import CLOSED, OPEN, PERCENTILES, Record
from rig.report.plot import COLOURS, GRID, INK, STYLE

COLOUR = {OPEN: COLOURS[1], CLOSED: COLOURS[2]}
LABEL = {OPEN: "open loop: from the planned time", CLOSED: "closed loop: from the send"}


def draw(record: Record, path: Path) -> None:
    """Write the picture to `path` (its suffix says the format)."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        drawn = Figure(figsize=(11, 4.2), layout="constrained", facecolor="white")
        left, right = drawn.subplots(1, 2, width_ratios=(2.2, 1), sharey=True)
        _over_time(left, record)
        _by_percentile(right, record)
        title = f"{record.rate:g} tasks a second, and a broker that stands still for {record.loops[OPEN].length:.1f} s"
        drawn.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
        drawn.savefig(path, dpi=130, metadata={"Software": None})


def _over_time(axes: Axes, record: Record) -> None:
    begin, end = record.loops[OPEN].frozen
    axes.axvspan(begin, end, color=GRID, zorder=0)
    axes.annotate("broker stopped", (begin, 1), (3, -3), xycoords=("data", "axes fraction"),
                  textcoords="offset points", va="top", fontsize=8)  # fmt: skip
    for name, loop in record.loops.items():
        shift = begin - loop.frozen[0]  # both freezes at the same place: some ms apart by the run of things
        size, order = (4, 2) if name == OPEN else (8, 3)
        axes.scatter(loop.at + shift, loop.latency * 1e3, s=size, color=COLOUR[name], linewidths=0, zorder=order,
                     label=f"{LABEL[name]} ({loop.felt:,} felt it)")  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(0, record.seconds)
    axes.set_xlabel("due at (s)")
    axes.set_ylabel("until the broker confirmed (ms)")
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8.5, markerscale=1.5)


def _by_percentile(axes: Axes, record: Record) -> None:
    percents = [*PERCENTILES, 100]
    values = {name: [loop.percentile(percent) * 1e3 for percent in percents] for name, loop in record.loops.items()}
    highest = [max(each) for each in zip(*values.values(), strict=True)]
    for name, mine in values.items():
        axes.plot(range(len(percents)), mine, "o-", color=COLOUR[name], markersize=4)
        for place, value in enumerate(mine):
            above = value == highest[place]
            axes.annotate(f"{value:,.3g}" if value < 100 else f"{value:,.0f}", (place, value), (0, 6 if above else -6),
                          textcoords="offset points", ha="center", va="bottom" if above else "top", fontsize=8,
                          color=INK)  # fmt: skip
    axes.set_xticks(range(len(percents)), [f"p{percent:g}" for percent in PERCENTILES] + ["max"])
    axes.set_xlim(-0.5, len(percents) - 0.5)
    axes.set_xlabel("percentile of all requests")
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
