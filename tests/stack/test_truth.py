"""The engine on real containers and what is known: a worker that needs 20% more CPU, a task lost and one doubled.

The intervals that must hold the truth are those of 99.9%, so that chance fails this one time in a thousand. A short run
on a busy machine cannot promise to find all that `rig selfbench truth` finds; docs/method.md has its record.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.experiment.file.read import load_experiment
from rig.experiment.file.spec import CONTROL
from rig.experiment.launch import launch
from rig.experiment.result import Result
from rig.selfbench import known, truth
from rig.stack import paths
from tests.stack.conftest import ROOT

# Tasks of 3 ms CPU: what a busy machine adds to Celery's own cost is little beside that, and few of them are enough.
SHORTER = {
    'task = "app.noop"\n': 'task = "app.spin"\nargs = [0.003]\n', "backlog = 1500": "backlog = 200",
    "rate = 150": "rate = 60", "seconds = 1.5": "seconds = 1.0", "rounds = 4": "rounds = 3",
}  # fmt: skip


def run(file: Path, into: Path) -> Result:
    checkout = paths.checkout()
    return launch(load_experiment(file, checkout.topologies()), checkout, into, seed=1)[1]


@pytest.mark.usefixtures("own_project")
def test_a_known_slowdown_of_main_process_and_pool_is_found_and_none_where_there_is_none(tmp_path: Path) -> None:
    text = (ROOT / truth.FOLDER / "prefork.toml").read_text()
    for long, short in SHORTER.items():
        assert long in text
        text = text.replace(long, short)
    file = tmp_path / "prefork.toml"
    file.write_text(text)
    result = run(file, tmp_path)
    assert not result.interrupted
    seen = [known.see(each, result) for each in known.TRUTHS["prefork"]]
    assert {each.truth.cell for each in seen} == {"slowed-20", CONTROL}
    assert all(each.holds for each in seen), seen
    assert next(each for each in seen if each.truth.measure == "worker_cpu_batch").found, seen


@pytest.mark.usefixtures("own_project")
def test_a_lost_and_a_doubled_task_are_in_the_account_and_are_the_reasons(tmp_path: Path) -> None:
    result = run(ROOT / truth.FOLDER / f"{truth.ACCOUNT}.toml", tmp_path)
    found = truth.account(result)
    assert [each for each in found if not each.ok] == [], (result.interrupted, result.accounts)
    own = result.accounts[truth.MISCOUNTED]
    assert own["never_started"] == own["lost"] != own["duplicated"]
    assert own["extra_starts"] == 1
