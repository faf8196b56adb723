"""The figure of throughput over time: each cell a lane, each round a box, the waiting between turns left out."""

from __future__ import annotations

from rig.experiment.distributions import Shapes
from rig.experiment.result import Result
from rig.experiment.turn import BACKLOG, DRAIN, PACED, Turn
from rig.report import names
from rig.report.markup import Scale, line, path, rect, steps, svg, tag, text, words

WIDTH, LEFT, GAP = 960.0, 50.0, 3.0
LANE, BETWEEN, HEAD = 74.0, 26.0, 20.0

CAPTION = """\
Tasks a second through a whole run: one lane a cell, one box a round, on one scale; the time between
turns, in which
other cells are measured, is left out. The shading is the phase: backlog (the worker stands still; the thin line is
what is published), drain (the filled area is what is finished) and paced (both lie on each other, at the offered
rate). A good one is dull: the same shape in every box. A bad one: a drain with a gap in it, a round unlike the
others, a lane that climbs or falls from left to right (a drift, which the order of turns balances but which widens
intervals), or a paced phase whose area leaves its line."""


def figure(result: Result, shapes: Shapes) -> str:
    """Return the lanes of all cells."""
    turns = [turn for turn in result.counted if turn.number in shapes.flow]
    if not turns:
        return tag("p", text("No turn was finished."), class_="note")
    top = max(max([0, *flow.published, *flow.finished]) for flow in shapes.flow.values()) / shapes.bin_s
    lanes = names.cells(result)
    height = HEAD + len(lanes) * (LANE + BETWEEN)
    boxes = _boxes(turns)
    parts = [
        words((x.start + x.end) / 2, 12, f"round {number}" if x.end - x.start > 60 else number, "faint", "middle")
        for number, x in boxes.items()
    ]
    for index, cell in enumerate(lanes):
        base = HEAD + index * (LANE + BETWEEN) + BETWEEN + LANE
        y = Scale(low=0, high=steps(top, 2)[-1], start=base, end=base - LANE)
        own = [turn for turn in turns if turn.cell == cell]
        inside = [_box(turn, shapes, boxes[turn.round], y) for turn in own]
        parts += [_lane(result, cell, y), tag("g", *inside, class_=names.colour(result, cell))]
    drawing = svg(WIDTH, height + 6, "tasks a second over time, by cell and round", *parts)
    lengths = sorted(x.high for x in boxes.values())
    told = f"Vertical: tasks a second. Steps of {shapes.bin_s:g} s; boxes of {lengths[0]:.1f} to {lengths[-1]:.1f} s."
    shown = tag("div", drawing, class_="scroll wide")
    return tag("figure", _legend(), shown, tag("p", text(told), class_="note"), tag("figcaption", text(CAPTION)))


def _legend() -> str:
    shown = (BACKLOG, DRAIN, PACED, "published", "finished")
    entries = (tag("span", tag("i", class_=f"swatch {name}"), text(name), class_="entry") for name in shown)
    return tag("p", *entries, class_="legend")


def _lane(result: Result, cell: str, y: Scale) -> str:
    name = words(LEFT, y.end - 6, names.called(result, cell), f"strong {names.colour(result, cell)}")
    marks = [words(LEFT - 6, y(value) + 4, f"{value:,.0f}", "faint", "end") for value in (0, y.high)]
    return name + "".join(marks)


def _boxes(turns: list[Turn]) -> dict[int, Scale]:
    """Return each round's scale of time: as long as its longest turn, and a second as wide as in all others."""
    longest = dict.fromkeys(sorted({turn.round for turn in turns}), 0.0)
    for turn in turns:
        longest[turn.round] = max(longest[turn.round], _end_s(turn))
    a_second = (WIDTH - LEFT - GAP * len(longest)) / sum(longest.values())
    boxes, left = {}, LEFT
    for number, seconds in longest.items():
        boxes[number] = Scale(low=0, high=seconds, start=left, end=left + seconds * a_second)
        left = boxes[number].end + GAP
    return boxes


def _box(turn: Turn, shapes: Shapes, x: Scale, y: Scale) -> str:
    begin = _begin_ns(turn)
    parts = []
    for name, phase in turn.phases.items():
        start, end = ((ns - begin) / 1e9 for ns in (phase.started_ns, phase.ended_ns))
        title = f"round {turn.round}, {name}: {phase.seconds:.2f} s"
        parts.append(rect(x(start), y.end, x(end) - x(start), LANE, f"phase {name}", title))
    flow = shapes.flow[turn.number]
    area = _steps(flow.finished, shapes.bin_s, x, y)
    area = [(area[0][0], y.start), *area, (area[-1][0], y.start)]
    parts += [path(area, "finished"), path(_steps(flow.published, shapes.bin_s, x, y), "published")]
    return tag("g", *parts, line(x.start, y.start, x.end, y.start, "axis"))


def _steps(counts: list[int], bin_s: float, x: Scale, y: Scale) -> list[tuple[float, float]]:
    """Return a stairway: a rate holds for the whole of its bin."""
    places = [(x(index * bin_s), x((index + 1) * bin_s), y(count / bin_s)) for index, count in enumerate(counts)]
    return [(edge, height) for start, end, height in places for edge in (start, end)]


def _begin_ns(turn: Turn) -> int:
    return min(phase.started_ns for phase in turn.phases.values())


def _end_s(turn: Turn) -> float:
    return (max(phase.ended_ns for phase in turn.phases.values()) - _begin_ns(turn)) / 1e9
