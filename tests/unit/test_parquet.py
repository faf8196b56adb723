"""What DuckDB, pandas and polars read from tasks.parquet is what build() says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from rig.cli import main
from rig.ledger import layout, parts
from rig.ledger.parquet import write
from rig.ledger.reader import RUN_SLOT, read_ledger
from rig.ledger.schema import CLOCK_OFFSET, SCHEMA
from rig.ledger.tasks import COUNTS, STAMPS, build
from rig.ledger.writer import Writer
from rig.selfbench import synthetic

Row = dict[str, Any]


def by_duckdb(path: Path) -> list[Row]:
    table = duckdb.read_parquet(str(path))
    return [dict(zip(table.columns, row, strict=True)) for row in table.fetchall()]


def by_pandas(path: Path) -> list[Row]:
    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    rows = frame.astype(object).to_dict("records")
    return [{name: None if pd.isna(value) else value for name, value in row.items()} for row in rows]


def by_polars(path: Path) -> list[Row]:
    return pl.read_parquet(path).to_dicts()


@pytest.mark.parametrize("read", [by_duckdb, by_pandas, by_polars])
def test_every_reader_finds_what_build_says(
    read: Callable[[Path], list[Row]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "SLOTS_A_PART", 500)  # seven row groups
    synthetic.make(tmp_path, 1000)
    odd_ids(tmp_path / "odd.led")
    ledger = read_ledger(tmp_path)
    assert write({"": ledger, "other": ledger}, tmp_path / "tasks.parquet") == 2 * 1006
    expected = rows(ledger)
    expected += [row | {"variant": "other"} for row in expected]
    assert in_order(read(tmp_path / "tasks.parquet")) == in_order(expected)


def test_the_file_says_what_turns_stamps_into_dates(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "short")
    writer.claim_run("x", writer.kind("a", "q"))
    writer.close()
    ledger = read_ledger(tmp_path)
    write({"": ledger}, tmp_path / "tasks.parquet")
    (segment,) = ledger.segments
    metadata = pq.read_metadata(tmp_path / "tasks.parquet").metadata
    assert int(metadata[CLOCK_OFFSET.encode()]) == segment.wall_ns - segment.mono_ns


def test_no_half_file_is_left(tmp_path: Path) -> None:
    synthetic.make(tmp_path, 100)
    ledger = read_ledger(tmp_path)
    ledger.segments[-1].path.unlink()
    with pytest.raises(OSError, match="No such file"):
        write({"": ledger}, tmp_path / "tasks.parquet")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".led", ".led"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "tasks.parquet"
    assert main(["tasks", str(tmp_path), "-o", str(output)]) == 2
    assert "no ledger segments" in capsys.readouterr().err
    synthetic.make(tmp_path, 100)
    assert main(["tasks", str(tmp_path), "-o", str(output)]) == 0
    assert capsys.readouterr().out == f"{output}: 100 tasks\n"
    (tmp_path / "broken.led").write_bytes(b"PK")
    assert main(["tasks", str(tmp_path), "-o", str(output)]) == 3
    assert "broken.led at byte 2" in capsys.readouterr().out
    assert main(["tasks", str(tmp_path), "-o", str(tmp_path / "nowhere" / "tasks.parquet")]) == 2


def odd_ids(path: Path) -> None:
    """Write a segment of ids of other lengths than a UUID's, and of kinds without a name."""
    slots = np.zeros(6, RUN_SLOT)
    slots["id"] = [b"1", b"an id", b"x" * 35, b"y" * 36, b"\0z", b"z\0" * 17 + b"z"]
    slots["type"], slots["outcome"] = layout.RUN, range(6)
    synthetic.write_segment(path, "odd", slots, [("", "")])


def rows(ledger: Any) -> list[Row]:
    tasks = build(ledger)
    found = []
    for place in range(len(tasks)):
        name, queue = tasks.kinds[tasks.kind[place]]
        row = {"id": tasks.id[place].decode(), "parent": tasks.parent[place].decode() or None, "variant": None}
        row |= {"name": name, "queue": queue, "outcome": layout.OUTCOMES.get(int(tasks.outcome[place]))}
        row |= {column: int(getattr(tasks, column)[place]) or None for column in STAMPS}
        row |= {column: int(getattr(tasks, column)[place]) for column in COUNTS}
        assert list(row) == SCHEMA.names
        found.append(row)
    return found


def in_order(found: list[Row]) -> list[Row]:
    return sorted(found, key=lambda row: (row["variant"] or "", row["id"]))
