"""What a self-test leaves behind: selfbench.json, and the table made from it, for the terminal and for documents.

    python -m rig.selfbench.record docs/runs/selfbench/selfbench.json docs/selfbench.md

puts the table of a record into a document, between its two markers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rig.selfbench.figure import Figure, all_ok

NAME = "selfbench.json"
BEGIN, END = "<!-- selfbench: generated from the record, not for editing -->", "<!-- end -->"
HEAD = ("figure", "value", "unit", "limit", "")


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part as it is kept. `error` says why it has no figures, where it has none."""

    part: str
    title: str
    seconds: float
    figures: Sequence[Figure]
    raw: dict[str, Any]
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the part was measured and kept every limit."""
        return not self.error and all_ok(self.figures)


def save(path: Path, sections: Sequence[Section], *, seed: int, quick: bool, environment: dict[str, Any]) -> None:
    """Write the record. Raises OSError."""
    ok = all(section.ok for section in sections)
    text = {"seed": seed, "quick": quick, "ok": ok, "environment": environment,
            "parts": [asdict(section) for section in sections]}  # fmt: skip
    path.write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> list[Section]:
    """Read the sections of a record back. Raises OSError, and ValueError where it is none."""
    try:
        found = json.loads(path.read_text())["parts"]
        return [Section(**part | {"figures": [Figure(**figure) for figure in part["figures"]]}) for part in found]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no record of a self-test: {error!r}") from error


def table(sections: Sequence[Section]) -> str:
    """Return one table of all figures in columns, a heading for each part."""
    rows = [row for section in sections for row in map(_cells, section.figures)]
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    lines = []
    for section in sections:
        lines += ["", f"{section.part}: {section.title}"]
        lines += [f"  NOT MEASURED: {section.error}"] if section.error else []
        lines += [
            "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(_cells(figure), widths, strict=True)).rstrip()
            for figure in section.figures
        ]
    return "\n".join(lines[1:])


def markdown(sections: Sequence[Section]) -> str:
    """Return the same as Markdown."""
    lines = []
    for section in sections:
        lines += [f"**{section.part}** – {section.title}", ""]
        lines += [f"Not measured: {section.error}", ""] if section.error else []
        lines += [f"| {' | '.join(HEAD)} |", "|---|---:|---|---|---|"]
        lines += [f"| {' | '.join(_cells(figure))} |" for figure in section.figures]
        lines.append("")
    return "\n".join(lines)


def into(document: str, sections: Sequence[Section]) -> str:
    """Return `document` with the table between its markers. Raises ValueError where it has none."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no place for the table, between {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{markdown(sections)}\n{END}{tail}"


def _cells(figure: Figure) -> tuple[str, str, str, str, str]:
    return figure.name, figure.shown, figure.unit, figure.limit, figure.verdict


if __name__ == "__main__":
    record, document = map(Path, sys.argv[1:])
    document.write_text(into(document.read_text(), load(record)))
