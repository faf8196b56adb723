"""The figure of latencies: every percentile of each cell, to 99.99%, with the tail as wide as the bulk."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rig.experiment.distributions import POINTS, Latency, Shapes
from rig.experiment.result import Result
from rig.report import names
from rig.report.markup import Scale, decades, duration, line, path, svg, tag, text, words

WIDTH, HEIGHT = 960.0, 330.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 926.0, 14.0, 292.0
# Percentiles that are marked, at log10(1 / (1 - q)).
MARKED = {"fastest": 0.0, "50%": 0.30103, "90%": 1.0, "95%": 1.30103, "99%": 2.0, "99.9%": 3.0, "99.99%": 4.0}
FEW = 10  # tasks behind a point: with fewer, the line is dotted

CAPTION = """\
Each line gives, for every percentile, the end-to-end time that so many of a cell’s tasks did not exceed: from the
moment at which the load’s plan wanted a task sent until its execution ended, over the paced phases of all rounds. The
horizontal axis is 1/(1−q) on a logarithmic scale, so that the slowest 1% gets as much room as all the rest; the
vertical axis is logarithmic, too. A line ends where the tasks do, and is dotted where fewer than ten tasks lie behind
a point: there it is anecdote. Compare variants only where they are further apart than the baseline and its grey twin.
A bad one: a step upwards that all cells share (the machine stalled), or a tail that one round alone makes (see
above)."""


def figure(result: Result, shapes: Shapes) -> str:
    """Return a panel for all tasks, then one for each kind where there are several."""
    panels = [_panel(result, shapes, kind) for kind in names.kinds(result)]
    return tag("figure", names.legend(result), *panels, tag("figcaption", text(CAPTION)))


def _panel(result: Result, shapes: Shapes, kind: str) -> str:
    found = {cell: shapes.latency.get(cell, {}).get(kind) for cell in names.cells(result)}
    shown = {cell: latency for cell, latency in found.items() if latency}
    title = f"{kind} tasks" if kind else "all tasks"
    if not shown:
        return tag("p", text(f"{title}: no task of the paced load finished."), class_="note")
    heading = tag("h3", text(title)) if len(names.kinds(result)) > 1 else ""
    lowest = min(latency.ms[0] for latency in shown.values())
    ticks = decades(max(1e-3, lowest), max(latency.most_ms for latency in shown.values()))
    x = Scale(low=0, high=4, start=LEFT, end=RIGHT)
    y = Scale(low=ticks[0], high=ticks[-1], start=BOTTOM, end=TOP, log=True)
    curves = [_curve(latency, x, y, names.colour(result, cell)) for cell, latency in reversed(shown.items())]
    drawing = svg(WIDTH, HEIGHT, f"latency distribution, {title}", *_axes(x, y, ticks), *curves)
    return heading + tag("div", drawing, class_="scroll wide") + _told(result, shown)


def _axes(x: Scale, y: Scale, ticks: list[float]) -> list[str]:
    parts = []
    for value in ticks:
        parts += [
            line(LEFT, y(value), RIGHT, y(value), "grid"),
            words(LEFT - 8, y(value) + 4, _round(value), anchor="end"),
        ]
    for name, place in MARKED.items():
        anchor = "start" if not place else "middle"
        parts += [line(x(place), TOP, x(place), BOTTOM, "grid"), words(x(place), BOTTOM + 18, name, anchor=anchor)]
    return [*parts, words(RIGHT, BOTTOM + 34, "percentile of the tasks, on a 1/(1−q) scale", "faint", "end")]


def _round(ms: float) -> str:
    """Return a round number of the axis: '20 ms', '2 s'."""
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"


def _curve(latency: Latency, x: Scale, y: Scale, colour: str) -> str:
    """Draw to where ten tasks are left, dotted to where one is, and the slowest as a ring there."""
    end = math.log10(latency.count)
    firm = max(0.0, math.log10(latency.count / FEW))
    points = [(point, ms) for point, ms in zip(POINTS, latency.ms, strict=True) if point <= end]
    solid = [(x(point), y(ms)) for point, ms in points if point <= firm]
    loose = [(x(point), y(ms)) for point, ms in points if point >= firm - 0.05]
    last = (x(end), y(latency.most_ms))
    if end <= x.high:
        loose.append(last)
    parts = [path(each, class_) for each, class_ in ((solid, "curve"), (loose, "curve loose")) if len(each) > 1]
    if end <= x.high:
        title = tag("title", text(f"slowest: {duration(1000 * latency.most_ms)}"))
        parts.append(tag("circle", title, cx=last[0], cy=last[1], r=3, class_="ring"))
    return tag("g", *parts, class_=colour)


def _told(result: Result, shown: Mapping[str, Latency]) -> str:
    """Say what the lines cannot: how many tasks there are, the slowest, and whether one round made the tail."""
    lines = []
    for cell, latency in shown.items():
        share = f"{100 * latency.worst_share:.0f}% of the {latency.tail} slowest (1%) in round {latency.worst_round}"
        share = share if latency.tail > 1 else f"it was in round {latency.worst_round}"
        said = f": {latency.count:,} tasks, the slowest {duration(1000 * latency.most_ms)}; {share}"
        entry = tag("b", text(names.called(result, cell)), class_="named")
        lines.append(tag("li", entry, text(said), class_=names.colour(result, cell)))
    return tag("ul", *lines, class_="told")
