"""Experiment files for the tests of their reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from topologies import RABBITMQ, REDIS

from rig.errors import BadInput
from rig.experiment.file.read import load_experiment

TOPOLOGIES = {topology.name: topology for topology in (RABBITMQ, REDIS)}
GOOD = """\
claim = "c"
source = "s"
[expectation]
measure = "execution_rate"
variant = "b"
change = "higher"
percent = 5
[load]
task = "app.noop"
[[variants]]
name = "a"
settings = { task_ignore_result = false }
[[variants]]
name = "b"
settings = { task_ignore_result = true }
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a file of that text, each with its line."""
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_experiment(path, TOPOLOGIES)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]
