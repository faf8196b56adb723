"""A run whose rig is killed in mid-turn is continued: every round is there, no task is lost, nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from rig.experiment import result
from rig.experiment.judge import gate
from rig.ledger.account import account
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from tests.stack.conftest import BIN, ROOT, wait_until
from tests.stack.test_bench import EXPERIMENT, left_behind, project_of, started

GOAL = "[load.goal]\npercentile = 50\nms = 2000\n"


def rig(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "rig"), *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
        check=False,
    )  # fmt: skip


def killed_in_its_second_round(file: Path, runs: Path) -> Path:
    run = started(file, runs)
    try:
        wait_until("the warm-up round", lambda: list(runs.glob("*/result.json")), seconds=400)
        (directory,) = runs.glob("*-small-*")
        wait_until("the first round", lambda: result.load(directory).all_rounds == [1], seconds=400)
        done = len(read_ledger(directory / "ledger" / "stored").segments)
        wait_until(
            "new processes", lambda: len(read_ledger(directory / "ledger" / "stored").segments) > done, seconds=400
        )
        time.sleep(2)
        os.kill(run.pid, signal.SIGKILL)
    finally:
        run.kill()
        run.communicate()
    return directory


@pytest.mark.usefixtures("own_project")
def test_a_run_that_is_killed_in_mid_turn_is_continued_without_a_loss(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    slow = EXPERIMENT.replace("share = 0.1", "share = 0.5")  # on a busy machine there must be some tasks, too
    file.write_text(slow.replace("[[variants]]", GOAL + "[[variants]]", 1))
    directory = killed_in_its_second_round(file, tmp_path / "runs")
    project = project_of(directory)
    assert left_behind(project)
    assert gate.check(result.load(directory))[0].reason.endswith(" of 2 rounds (rig was killed)")

    again = rig("run", "--resume", str(directory))
    # 3 is a machine that others disturb: the account below holds all the same.
    assert again.returncode in (0, 1, 3), again.stdout
    assert f"{directory.name} was killed: removed the " in again.stdout
    assert left_behind(project) == ""

    seen = result.load(directory)
    assert seen.all_rounds[:2] == [1, 2]  # one that others disturb is taken again
    assert not seen.interrupted
    (session,) = seen.earlier
    for cell, drawn in seen.accounts.items():
        assert drawn["executed"] == drawn["confirmed"] == drawn["sent"] > session.accounts[cell]["sent"] > 0, cell
        assert not any(drawn[what] for what in ("lost", "duplicated", "unexpected", "failed", "invalid")), drawn
    for scope, counts in seen.counts.items():
        assert len(set(counts.values()) - {0}) == 1, (scope, counts)
    rounds = [turn for turn in seen.turns if turn.round]
    assert all("sustainable_rate" in turn.values and "probe 5" in turn.sent for turn in rounds)
    for name in ("report.md", "verdict.json", "junit.xml", "shapes.json", "earlier-1"):
        assert (directory / name).exists(), again.stdout

    # The first session's raw stamps know of more tasks than count: those of the turn in which it ended.
    first = read_ledger(directory / "earlier-1" / "ledger" / "stored")
    assert account(build(first), first).sent > session.accounts["stored"]["sent"]

    refused = rig("run", "--resume", str(directory))
    assert (refused.returncode, refused.stdout.splitlines()[-1:]) == (
        2,
        [f"error: {directory.name}: none of its rounds is missing"],
    )
