"""HTML and SVG elements as text, and the scales that turn values into places. Nothing here knows what a run is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


def tag(name: str, *children: str, **attributes: str | float | None) -> str:
    """Return an element. `children` are markup already: text goes through `text`.

    An attribute's trailing underscore is dropped and the others become hyphens (`class_`, `text_anchor`); numbers are
    rounded to a tenth; None is left out.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{said}>{''.join(children)}</{name}>"


def text(words: object) -> str:
    """Return `words` with everything escaped that HTML would read as markup."""
    return escape(str(words))


def prose(said: object) -> str:
    """Return `said` escaped, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(said))


def duration(us: float) -> str:
    """Return a time in the unit that suits it, with three digits: 812 µs, 4.31 ms, 1.83 s."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= 0.9995 * size:
            value = us / size
            return f"{value:,.{max(0, 2 - math.floor(math.log10(value) + 2e-4))}f} {unit}"
    return f"{us:,.0f} µs"


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def svg(width: float, height: float, label: str, *children: str) -> str:
    """Return a drawing that scales with the page; `label` is what a screen reader says instead of it."""
    return tag("svg", *children, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """Return a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rect(x: float, y: float, width: float, height: float, class_: str, title: str = "") -> str:
    """Return a rectangle; `title` is what a pointer that rests on it brings up."""
    inner = tag("title", text(title)) if title else ""
    return tag("rect", inner, x=x, y=y, width=max(0.0, width), height=max(0.0, height), class_=class_)


def words(x: float, y: float, said: object, class_: str = "", anchor: str = "start") -> str:
    """Return text whose base line begins (`anchor` "start"), has its middle or ends at a place."""
    return tag("text", text(said), x=x, y=y, class_=class_ or None, text_anchor=None if anchor == "start" else anchor)


def path(points: Iterable[tuple[float, float]], class_: str) -> str:
    """Return straight lines through `points`."""
    return tag("path", d="M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Maps values from `low` to `high` (both > 0 where `log`) to places from `start` to `end`, not beyond them."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of `value`."""
        low, high, value = self.low, self.high, max(self.low, value)
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + min(1.0, share) * (self.end - self.start)


def steps(high: float, count: int = 5) -> list[float]:
    """Return at most `count` + 1 round numbers from 0 to the first that is not below `high`."""
    if high <= 0:
        return [0.0, 1.0]
    rough = high / count
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * digit for digit in (1, 2, 2.5, 5, 10) if unit * digit >= rough * (1 - 1e-9))
    return [step * index for index in range(math.ceil(high / step - 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten, from the last that is not above `low` to the first not below `high`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    first = max((index for index, value in enumerate(every) if value <= low * (1 + 1e-9)), default=0)
    last = min((index for index, value in enumerate(every) if value >= high * (1 - 1e-9)), default=len(every) - 1)
    return every[first : max(last, first + 1) + 1]


def table(titles: Sequence[str], lines: Sequence[Sequence[str]], class_: str = "") -> str:
    """Return a table of text, first column to the left, in a frame that scrolls where the page is too narrow."""
    head = tag("thead", tag("tr", *(tag("th", text(title), scope="col") for title in titles)))
    rows = (
        tag("tr", tag("th", text(first), scope="row"), *(tag("td", text(cell)) for cell in rest))
        for first, *rest in lines
    )
    return tag("div", tag("table", head, tag("tbody", *rows), class_=class_ or None), class_="scroll")
