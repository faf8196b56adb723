"""The figure of a task's time: a bar for each cell, cut into the stages that a task goes through."""

from __future__ import annotations

from itertools import zip_longest

from rig.experiment.distributions import STAGES, Shapes, StageMeans
from rig.experiment.result import Result
from rig.report import names
from rig.report.markup import duration, table, tag, text

# Stage -> its name, and what happens in it.
TITLES = {
    "lag": ("generator lag", "from planned until sent: the rig’s own fault"),
    "publish": ("publish", "until the call returned, or a worker had it before"),
    "queue": ("queue wait", "until the worker’s main process had it"),
    "prefetch": ("prefetch wait", "in the worker, until a pool process began"),
    "body": ("body", "the task’s own code"),
    "store": ("result write", "until the result store had the result"),
    "rest": ("rest", "until the worker was done with it"),
}
LABELLED = 7.0  # percent of the longest bar: a narrower stage has no room for its number

CAPTION = """\
Where the time of a task goes under the paced load, from its planned moment until its execution ended, on one scale
for all cells. Stages are means, because only means add up to the whole; a mean is moved by few slow tasks, and the
notches say where the median of the whole is. Pale stages are waits, strong ones are work. A bad one: a generator
lag that can be seen at all (the load was late, which is no fault of Celery), or a first bar and its twin (A/A) that
differ as much as two variants do."""


def figure(result: Result, shapes: Shapes) -> str:
    """Return the bars, with a table of their numbers; by kind, too, where there are several kinds of task."""
    found = {
        (kind, cell): stack
        for kind in names.kinds(result)
        for cell in names.cells(result)
        if (stack := shapes.stack.get(cell, {}).get(kind))
    }
    if not found:
        return tag("p", text("No task of the paced load has all of its stamps."), class_="note")
    longest = max(max(sum(stack.us.values()), stack.median_us) for stack in found.values())
    parts = [_legend()]
    for kind in names.kinds(result):
        own = {cell: stack for (of, cell), stack in found.items() if of == kind}
        bars = (_bar(result, cell, stack, longest) for cell, stack in own.items())
        heading = tag("h3", text(f"{kind} tasks" if kind else "all tasks")) if len(names.kinds(result)) > 1 else ""
        parts += [heading, tag("div", *bars, class_="bars"), _numbers(result, own, explained=not kind)]
    return tag("figure", *parts, tag("figcaption", text(CAPTION)))


def _legend() -> str:
    entries = (
        tag("span", tag("i", class_="swatch"), text(title), class_=f"entry {stage}", title=told)
        for stage, (title, told) in TITLES.items()
    )
    return tag("p", *entries, class_="legend")


def _bar(result: Result, cell: str, stack: StageMeans, longest: float) -> str:
    total = sum(stack.us.values())
    parts, place = [], 0.0
    for stage in STAGES:
        share = 100 * max(0.0, stack.us[stage]) / longest
        parts.append(_segment(stage, place, share, stack.us[stage]))
        place += share
    median = f"{100 * stack.median_us / longest:.2f}%"
    parts += [tag("line", x1=median, x2=median, y1=y, y2=y + 6, class_="median") for y in (-1, 25)]
    label = f"{names.called(result, cell)}: " + ", ".join(f"{TITLES[s][0]} {stack.us[s]:,.0f} µs" for s in STAGES)
    drawing = tag("svg", *parts, class_="bar", width="100%", height=30, role="img", aria_label=label)
    head = tag("span", tag("b", text(names.called(result, cell))), text(f" {duration(total)}"), class_="barhead")
    return tag("div", head, drawing)


def _segment(stage: str, place: float, share: float, us: float) -> str:
    title = tag("title", text(f"{TITLES[stage][0]}: {duration(us)}"))
    block = tag("rect", title, x=f"{place:.2f}%", width=f"{share:.2f}%", y=3, height=24, class_=f"stage {stage}")
    if share < LABELLED:
        return block
    where = f"{place + share / 2:.2f}%"
    return block + tag("text", text(duration(us)), x=where, y=19, text_anchor="middle", class_=f"in {stage}")


def _numbers(result: Result, found: dict[str, StageMeans], explained: bool) -> str:
    heads = [names.called(result, cell) for cell in found]
    lines = [[TITLES[stage][0], *(f"{stack.us[stage]:,.0f}" for stack in found.values())] for stage in STAGES]
    lines += [
        ["mean of the whole", *(f"{sum(stack.us.values()):,.0f}" for stack in found.values())],
        ["median of the whole", *(f"{stack.median_us:,.0f}" for stack in found.values())],
        ["tasks", *(f"{stack.count:,}" for stack in found.values())],
    ]
    if any(stack.partial for stack in found.values()):
        lines.append(["tasks left out: a stamp is missing", *(f"{stack.partial:,}" for stack in found.values())])
    told = [TITLES[stage][1] if explained else "" for stage in STAGES]
    lines = [[*line, what] for line, what in zip_longest(lines, told, fillvalue="")]
    return table(["µs a task", *heads, "what it is" if explained else ""], lines, "numbers")
