"""The table of schedules in docs/loads.md has the kinds and fields that are read, and the loads that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from rig.load.schedule.read_arrivals import _KINDS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "loads.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a line."""
    table = TEXT.partition(heading)[2].partition("|---")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


def test_every_kind_of_arrivals_is_there_with_its_fields() -> None:
    found = {}
    for kind, fields, _ in rows("| kind | fields"):
        needed, may = re.findall(r"(?<!\[)`(\w+)`", fields), re.findall(r"\[`(\w+)`\]", fields)
        found[kind.strip("`")] = (tuple(needed), tuple(may))
    assert found == {kind: fields for kind, fields in _KINDS.items() if kind not in ("closed", "each")}


def test_every_load_is_there() -> None:
    files = {path.stem for path in (ROOT / "loadtests").glob("*.py")}
    assert {name.strip("`") for name, *_ in rows("| load | users")} == files


INTERNAL = {"app.canary", "app.report_queues"}  # of health checks and beat


def reference_tasks() -> dict[str, list[str]]:
    """Return the arguments of each task of the reference application."""
    found = {}
    for node in ast.parse((ROOT / "services" / "app" / "tasks.py").read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            (decorator,) = node.decorator_list
            assert isinstance(decorator, ast.Call)
            name = next(ast.literal_eval(word.value) for word in decorator.keywords if word.arg == "name")
            found[name] = [argument.arg for argument in node.args.args if argument.arg != "self"]
    return found


def test_every_task_is_there_with_its_arguments() -> None:
    shown = {name.strip("`"): arguments for name, arguments, *_ in rows("| task | arguments")}
    wanted = {name: ", ".join(given) or "–" for name, given in reference_tasks().items() if name not in INTERNAL}
    assert shown == wanted
