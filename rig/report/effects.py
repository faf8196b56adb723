"""The tables of effects: the judged measure, costs in both regimes side by side, the rest folded; each ratio with its
interval as a small forest plot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rig.experiment.costs import REGIMES
from rig.experiment.measure import named
from rig.report import names, table
from rig.report.conclusion import Conclusion
from rig.report.lines import Line, costs, others, short
from rig.report.markup import Scale, tag, text
from rig.stats import Interval

WIDEST = 4.0  # ratios beyond this (either way) are drawn as an arrow at the edge
TICKS = {  # by end of the axis
    1.25: (0.8, 0.9, 1, 1.1, 1.25),
    1.6: (0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5),
    2.5: (0.4, 0.5, 0.7, 1, 1.5, 2, 2.5),
    WIDEST: (0.25, 0.5, 0.7, 1, 1.5, 2, 4),
}
MIDDLE, CONTROL_Y, HEIGHT = 9.0, 17.0, 22  # px, in a row's drawing

CAPTION = """\
Values are means over the rounds, those of the baseline over both of its cells; a difference and a ratio are taken
within each round, with 95% intervals (Student’s t, of ratios on logarithms). Dot: the ratio; bar: what the data allow;
the vertical line is “equal”. A filled dot is clear of equal and of the noise, a hollow one is not; an arrow lies
outside of the scale. The thin grey bar below is the control, the first variant measured a second time in a cell of its
own: a difference of its size is noise, and “noise” is the largest that it allows. A bad one: a grey bar that is clear
of equal, or as wide as the effect above it. One measure was named before the run and alone decides the verdict; among
the others one interval in twenty misses by chance. Costs are CPU, less what is used while nothing is sent. “Batch” is a
backlog that is worked off, “paced” a load that leaves room: bunches make a batch cheaper, so neither stands for the
other."""


def ends(ratios: Sequence[Interval]) -> float:
    """Return the end of the axis: room for every interval, up to `WIDEST`."""
    floor = max((ratio.floor for ratio in ratios), default=1.0)
    return next((end for end in TICKS if floor * 1.03 <= end), WIDEST)


def figure(of: Conclusion) -> str:
    """Return the judged measure, the costs of its variant, and folded all else."""
    limit = ends([ratio for row in of.rows for ratio in row.ratios.values()])
    judged = of.experiment.expectation.variant
    variants = [variant.name for variant in of.experiment.variants[1:]]
    parts = [_judged(of, limit), _costs(of, judged, limit)]
    more = [_rest(of, judged, limit)]
    for name in variants:
        if name != judged:
            more += [tag("h3", text(name)), _costs(of, name, limit), _rest(of, name, limit)]
    measured = "latency, bytes, operations, memory, lost and duplicated tasks"
    said = f"The rest: {measured}" + (f"; and the same of {len(variants) - 1} more variants" if variants[1:] else "")
    parts.append(tag("details", tag("summary", text(said)), *more))
    return tag("figure", *parts, tag("figcaption", text(CAPTION)))


def _judged(of: Conclusion, limit: float) -> str:
    found = table.judged_lines(of)
    measure = named(of.experiment.expectation.measure)
    title = _th(measure.title, tag("small", text(measure.unit)), tag("small", "decides the verdict", class_="decides"))
    head = tag("tr", title, *_heads(of, limit))
    body = (
        tag("tr", tag("th", text(label), scope="row"), *_cells(each, limit), class_=_class(of, each))
        for label, each in found
    )
    shown = tag("table", tag("thead", head), tag("tbody", *body, class_="judged"), class_="effects")
    return _scrolled(shown) + _notes(table.judged(of).notes)


def _costs(of: Conclusion, variant: str, limit: float) -> str:
    """Return a line a part: paced on the left, batch on the right."""
    base = of.experiment.baseline.name
    found = costs(of.rows, base, variant, of.verdict.invalid)
    groups = (tag("th", text(table.regime(of, suffix)), colspan=5, scope="colgroup") for suffix in REGIMES)
    titles = [base, variant, "difference [95%]", "ratio [95%]"]
    heads = [_th(title) for title in titles] + [tag("td", axis(limit, few=True), class_="scale")]
    top = tag("tr", tag("td", ""), *groups, class_="groups")
    head = tag("thead", top, tag("tr", _th("CPU per task", tag("small", "µs")), *heads, *heads))
    body = (
        tag("tr", tag("th", text(cost.part), scope="row"), *_few(cost.paced, limit), *_few(cost.batch, limit))
        for cost in found
    )
    colour = names.colour(of.result, variant)
    shown = tag("table", head, tag("tbody", *body, class_=colour), class_="effects costs")
    return _scrolled(shown) + _notes(table.both_costs(of, variant).notes)


def _rest(of: Conclusion, variant: str, limit: float) -> str:
    experiment = of.experiment
    found = others(of.rows, experiment.expectation.measure, experiment.baseline.name, variant, of.verdict.invalid)
    head = tag("thead", tag("tr", _th("measure"), *_heads(of, limit, variant)))
    body = [
        tag("tr", _row_title(each.title, each.unit), *_cells(each, limit), class_=_class(of, each)) for each in found
    ]
    plain = table.rest(of, variant)
    for line in plain.lines[len(found) :]:  # lost and duplicated: counts, without a ratio
        said = (tag("td", text(cell), class_="value") for cell in line[2:4])
        body.append(tag("tr", _row_title(line[0], line[1]), *said, *[tag("td", "")] * 5))
    return _scrolled(tag("table", head, tag("tbody", *body), class_="effects")) + _notes(plain.notes)


def _row_title(title: str, unit: str) -> str:
    return tag("th", text(title), " ", tag("small", text(unit)), scope="row")


def _heads(of: Conclusion, limit: float, variant: str = "variant") -> list[str]:
    titles = [of.experiment.baseline.name, variant, "difference [95%]", "ratio [95%]"]
    return [*map(_th, titles), tag("td", axis(limit), class_="scale"), _th("noise"), _th("in words")]


def _th(title: str, *more: str) -> str:
    return tag("th", text(title), *(f" {each}" for each in more), scope="col")


def _class(of: Conclusion, shown: Line | None) -> str | None:
    return names.colour(of.result, shown.variant) if shown else None


def _cells(shown: Line | None, limit: float) -> list[str]:
    """Return base, value, difference, ratio, drawing, noise and words."""
    if shown is None:
        return [tag("td", "not measured", colspan=7)]
    first = _few(shown, limit)
    words = tag("span", text(shown.words), class_="bad" if shown.against else None)
    return [*first, tag("td", text(shown.noise), class_="value"), tag("td", words, class_="words")]


def _few(shown: Line | None, limit: float) -> list[str]:
    """Return base, value, difference, ratio and drawing; struck out where they may not be used."""
    if shown is None:
        return [tag("td", "not measured", colspan=5)]
    written = (shown.base, shown.value, shown.difference, shown.ratio)
    cells = [tag("td", _marked(each, shown, place > 1), class_="value") for place, each in enumerate(written)]
    return [*cells, tag("td", forest(shown.interval, limit, shown.control, clear=shown.clear), class_="plot")]


def _marked(said: str, shown: Line, effect: bool) -> str:
    if shown.against:
        return tag("s", text(said), title="; ".join(each.reason for each in shown.against))
    return tag("b", text(said)) if effect and shown.clear else text(said)


def _scrolled(shown: str) -> str:
    return tag("div", shown, class_="scroll")


def _notes(said: Iterable[str]) -> str:
    return "".join(tag("p", text(each), class_="note") for each in said)


def axis(limit: float, few: bool = False) -> str:
    """Return the scale above the drawings of `forest`; with `few` marks where it is narrow."""
    x = _scale(limit)
    ticks = (TICKS[limit][0], 1, TICKS[limit][-1]) if few else TICKS[limit]
    marks = [tag("text", text(f"{t:g}"), x=_percent(x(t)), y=15, text_anchor="middle") for t in ticks]
    return tag("svg", *marks, class_="forest", width="100%", height=20, role="img", aria_label="scale of the ratios")


def forest(ratio: Interval | None, limit: float, control: Interval | None = None, clear: bool = False) -> str:
    """Return one ratio with its interval on the scale, and below it that of the control; of none, the empty scale."""
    x = _scale(limit)
    parts = [_upright(x(tick), "one" if tick == 1 else "grid") for tick in TICKS[limit]]
    if ratio is None:
        return tag("svg", *parts, class_="forest", width="100%", height=HEIGHT, aria_hidden="true")
    if control:
        parts.append(_bar(control, x, CONTROL_Y, "noise"))
    parts.append(_bar(ratio, x, MIDDLE, "interval"))
    place = _percent(x(ratio.ratio))
    if 1 / limit <= ratio.ratio <= limit:
        parts.append(tag("circle", cx=place, cy=MIDDLE, r=4.5, class_="dot clear" if clear else "dot"))
    else:
        arrow, anchor = ("◀", "start") if ratio.ratio < 1 else ("▶", "end")
        parts.append(tag("text", arrow, x=place, y=MIDDLE + 5, text_anchor=anchor, class_="arrow"))
    label = f"ratio {short(ratio)}"
    return tag("svg", *parts, class_="forest", width="100%", height=HEIGHT, role="img", aria_label=label)


def _bar(ratio: Interval, x: Scale, y: float, class_: str) -> str:
    return tag("line", x1=_percent(x(ratio.low)), x2=_percent(x(ratio.high)), y1=y, y2=y, class_=class_)


def _scale(limit: float) -> Scale:
    return Scale(low=1 / limit, high=limit, start=3, end=97, log=True)


def _percent(place: float) -> str:
    return f"{place:.2f}%"


def _upright(place: float, class_: str) -> str:
    return tag("line", x1=_percent(place), x2=_percent(place), y1=0, y2=HEIGHT, class_=class_)
