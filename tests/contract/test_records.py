"""A record was measured by the code as it is, or somebody says why what changed since moves no number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rig.experiment.result import FILE
from rig.experiment.turn import ENGINE
from rig.testbed.environment import MEASURING_CODE, measuring_code
from tests.records import FOLDER, ROOT, RUNS, called

SAME = FOLDER / "same-numbers.txt"
AGAIN = "`rig run FILE --runs N`, then `.venv/bin/python docs/record.py runs/ID`"
NOW = measuring_code(ROOT)


def excused(text: str) -> set[str]:
    """Return the digests of measuring code that a line of same-numbers.txt has a reason for."""
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    return {digest for digest, *reason in lines if reason}


@pytest.mark.parametrize("run", RUNS, ids=called)
def test_a_record_was_measured_by_the_engine_of_this_version(run: Path) -> None:
    engine = json.loads((run / FILE).read_text()).get("engine", "of an earlier format")
    assert engine == ENGINE, f"measured by engine {engine}, and this is {ENGINE}: measure again ({AGAIN})"


@pytest.mark.parametrize("run", RUNS, ids=called)
def test_code_that_decides_numbers_has_not_changed_since(run: Path) -> None:
    measured = json.loads((run / FILE).read_text()).get("environment", {}).get(MEASURING_CODE, "unknown")
    assert measured == NOW or NOW in excused(SAME.read_text()), (
        f"measured by code {measured}, and this is {NOW}. If a number may have moved: raise ENGINE in "
        f"rig/experiment/turn.py and measure again ({AGAIN}). If none can have: add a line to "
        f"{SAME.relative_to(ROOT)} that begins with {NOW} and says why"
    )


def test_an_excuse_needs_a_reason() -> None:
    assert excused("# about\n\nabc1 only a message was reworded\ndef2\n") == {"abc1"}
