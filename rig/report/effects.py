"""The table of effects: each measure in every cell, its ratio to the baseline's as a small forest plot, words."""

from __future__ import annotations

from collections.abc import Sequence

from rig.experiment.compare import Row, words
from rig.experiment.measure import named
from rig.experiment.result import Result
from rig.experiment.spec import CONTROL
from rig.experiment.stats import Interval
from rig.report import names
from rig.report.markup import Scale, tag, text
from rig.report.table import short

WIDEST = 4.0  # ratios beyond this (either way) are drawn as an arrow at the edge
TICKS = {  # by end of the axis
    1.25: (0.8, 0.9, 1, 1.1, 1.25),
    1.6: (0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5),
    2.5: (0.4, 0.5, 0.7, 1, 1.5, 2, 2.5),
    WIDEST: (0.25, 0.5, 0.7, 1, 1.5, 2, 4),
}
MIDDLE = 11.0  # of a row's drawing of 22 px

CAPTION = """\
Values are geometric means over the rounds; each ratio is the variant’s value divided by the baseline’s of the same
round, averaged over rounds, with its 95% interval (Student’s t on logarithms). Dot: the ratio; bar: what the data
allow; the vertical line is “equal”. A filled dot is clear of equal, a hollow one is not; a bar that
touches the edge goes on, and an arrow lies outside of
the scale. The grey row is the control, the first variant a second time in a cell of its own: differences of its size
are noise. A bad one: a grey bar that is clear of equal, or as wide as the effect above it. One measure was named
before the run and alone decides the verdict; among the others an interval in twenty misses by chance."""


def ends(ratios: Sequence[Interval]) -> float:
    """Return the end of the axis: room for every interval, up to `WIDEST`."""
    floor = max((ratio.floor for ratio in ratios), default=1.0)
    return next((end for end in TICKS if floor * 1.03 <= end), WIDEST)


def figure(result: Result, rows: Sequence[Row]) -> str:
    """Return the table, the judged measure first."""
    judged = result.experiment.expectation.measure
    limit = ends([ratio for row in rows for ratio in row.ratios.values()])
    base = result.experiment.baseline.name
    titles = ["measure", "cell", "value", None, f"ratio to {base} [95%]", "in words"]
    head = [
        tag("th", text(title), scope="col") if title else tag("td", axis(limit), class_="scale") for title in titles
    ]
    ordered = sorted(rows, key=lambda row: row.measure != judged)
    blocks = [_block(result, row, limit, row.measure == judged) for row in ordered]
    shown = tag("table", tag("thead", tag("tr", *head)), *blocks, class_="effects")
    return tag("figure", shown, tag("figcaption", text(CAPTION)))


def _block(result: Result, row: Row, limit: float, judged: bool) -> str:
    lines = [_line(result, row, cell, limit) for cell in names.cells(result)]
    measure = named(row.measure)
    note = " " + tag("small", text("decides the verdict"), class_="decides") if judged else ""
    title = tag("b", text(measure.title)) + " " + tag("small", text(measure.unit)) + note
    first = tag("th", title, scope="rowgroup", rowspan=len(lines))
    lines[0] = first + lines[0]
    coloured = zip(names.cells(result), lines, strict=True)
    trs = (tag("tr", line, class_=names.colour(result, cell)) for cell, line in coloured)
    return tag("tbody", *trs, class_="judged" if judged else None)


def _line(result: Result, row: Row, cell: str, limit: float) -> str:
    ratio = row.ratios.get(cell)
    value = f"{row.means[cell]:,.{named(row.measure).digits}f}"
    cells = [tag("td", text(names.called(result, cell)), class_="cell"), tag("td", text(value), class_="value")]
    if cell == result.experiment.baseline.name:
        cells += [tag("td", forest(None, limit), class_="plot"), tag("td", "", class_="ratio"), tag("td", "")]
    else:
        said = words(row.measure, ratio).partition(" [")[0] if ratio else "no ratio: a value was zero"
        cells += [
            tag("td", forest(ratio, limit, weak=cell == CONTROL), class_="plot"),
            tag("td", text(short(ratio)), class_="ratio"),
            tag("td", text(said), class_="words"),
        ]
    return "".join(cells)


def axis(limit: float) -> str:
    """Return the scale above the drawings of `forest`."""
    x = _scale(limit)
    marks = [tag("text", text(f"{t:g}"), x=_percent(x(t)), y=15, text_anchor="middle") for t in TICKS[limit]]
    return tag("svg", *marks, class_="forest", width="100%", height=20, role="img", aria_label="scale of the ratios")


def forest(ratio: Interval | None, limit: float, weak: bool = False) -> str:
    """Return one ratio with its interval on the scale; of none, the empty scale."""
    x = _scale(limit)
    parts = [_upright(x(tick), "one" if tick == 1 else "grid") for tick in TICKS[limit]]
    if ratio is None:
        return tag("svg", *parts, class_="forest", width="100%", height=22, aria_hidden="true")
    low, high, place = (_percent(x(value)) for value in (ratio.low, ratio.high, ratio.ratio))
    parts.append(tag("line", x1=low, x2=high, y1=MIDDLE, y2=MIDDLE, class_="interval"))
    if 1 / limit <= ratio.ratio <= limit:
        dot = "dot clear" if ratio.clear_of_one else "dot"
        parts.append(tag("circle", cx=place, cy=MIDDLE, r=3.2 if weak else 4.5, class_=dot))
    else:
        arrow, anchor = ("◀", "start") if ratio.ratio < 1 else ("▶", "end")
        parts.append(tag("text", arrow, x=place, y=MIDDLE + 5, text_anchor=anchor, class_="arrow"))
    label = f"ratio {short(ratio)}"
    class_ = "forest weak" if weak else "forest"
    return tag("svg", *parts, class_=class_, width="100%", height=22, role="img", aria_label=label)


def _scale(limit: float) -> Scale:
    return Scale(low=1 / limit, high=limit, start=3, end=97, log=True)


def _percent(place: float) -> str:
    return f"{place:.2f}%"


def _upright(place: float, class_: str) -> str:
    return tag("line", x1=_percent(place), x2=_percent(place), y1=0, y2=22, class_=class_)
