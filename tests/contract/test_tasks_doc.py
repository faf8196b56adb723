"""docs/tasks.md describes exactly the columns that tasks.parquet has, and what it tells people to run works."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from rig.ledger.layout import OUTCOMES
from rig.ledger.parquet import write
from rig.ledger.reader import read_ledger
from rig.ledger.schema import CLOCK_OFFSET, SCHEMA, WORDS
from rig.selfbench import synthetic

DOC = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()
TYPES = {str(WORDS): "string, few different", "string": "string", "int64": "int64, ns", "int32": "int32"}


def test_the_table_is_the_schema() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", DOC, re.MULTILINE)
    assert rows == [(field.name, TYPES[str(field.type)], field.metadata[b"about"].decode()) for field in SCHEMA]


def test_every_outcome_is_named() -> None:
    outcomes = DOC.partition("**outcome** is")[2].partition("\n\n")[0]
    assert re.findall(r"`(\w+)`", outcomes) == list(OUTCOMES.values())
    assert f"`{CLOCK_OFFSET}`" in DOC


@pytest.mark.parametrize("example", re.findall(r"```(sql|python)\n(.*?)```", DOC, re.DOTALL), ids=lambda pair: pair[0])
def test_the_examples_run(example: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    language, code = example
    synthetic.make(tmp_path, 1000)
    write({"slow": read_ledger(tmp_path)}, tmp_path / "tasks.parquet")
    monkeypatch.chdir(tmp_path)
    if language == "sql":
        ((variant, _, tasks),) = duckdb.sql(code).fetchall()
        assert (variant, tasks) == ("slow", 1000)
    else:
        exec(compile(code, "docs/tasks.md", "exec"), {})  # noqa: S102 - our own document
