"""What the cells of a run are called and coloured in its report: alike in every figure."""

from __future__ import annotations

from rig.experiment.file.spec import CONTROL
from rig.experiment.result import Result
from rig.report.markup import tag, text


def cells(result: Result) -> list[str]:
    """Return the cells as they are listed everywhere: baseline, other variants, control."""
    return [*(variant.name for variant in result.experiment.variants), CONTROL]


def called(result: Result, cell: str) -> str:
    """Return what a reader is told of a cell: the variant's name, or that it is the first one again."""
    return f"{result.experiment.baseline.name} again (A/A)" if cell == CONTROL else cell


def colour(result: Result, cell: str) -> str:
    """Return the CSS class that gives everything of a cell its colour."""
    return "vx" if cell == CONTROL else f"v{cells(result).index(cell)}"


def legend(result: Result) -> str:
    """Return a line that says which colour is which cell."""
    entries = (
        tag("span", tag("i", class_="swatch"), text(called(result, cell)), class_=f"entry {colour(result, cell)}")
        for cell in cells(result)
    )
    return tag("p", *entries, class_="legend")


def kinds(result: Result) -> list[str]:
    """Return "" for all tasks together, then, where the load has several kinds of task, their names."""
    names = [kind.name for kind in result.experiment.load.kinds]
    return ["", *names] if len(names) > 1 else [""]
