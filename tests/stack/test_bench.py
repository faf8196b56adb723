"""An experiment on real containers: every task accounted for by every witness, and nothing left behind in the end."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import duckdb
import pytest

from rig.experiment import check, result
from tests.stack.conftest import BIN, ROOT, wait_until

# Small, so that it takes a minute; how fast a machine is decides nothing here.
EXPERIMENT = """\
claim = "whatever"
source = "tests/stack/test_bench.py"
rounds = 2
[expectation]
measure = "total_cpu"
variant = "ignored"
change = "lower"
percent = 0
[load]
task = "app.noop"
backlog = 200
seconds = 0.5
share = 0.1
[[variants]]
name = "stored"
settings = { task_ignore_result = false }
[[variants]]
name = "ignored"
settings = { task_ignore_result = true }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(EXPERIMENT)
    return path


def started(file: Path, runs: Path) -> subprocess.Popen[str]:
    words = [str(BIN / "rig"), "run", str(file), "--runs", str(runs), "--seed", "1"]
    # A session of its own, so that a signal sent to it is sent to it alone.
    return subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def left_behind(project: str) -> str:
    label = f"label=com.docker.compose.project={project}"
    kinds = (["ps", "--all"], ["network", "ls"], ["volume", "ls"])
    listed = [
        subprocess.run(["docker", *kind, "--quiet", f"--filter={label}"], capture_output=True, text=True, check=True)
        for kind in kinds
    ]
    return "".join(done.stdout for done in listed)


def sent_by_cell(path: Path) -> dict[str, int]:
    return dict(duckdb.sql(f"SELECT variant, count(*) FROM '{path}' WHERE sends > 0 GROUP BY variant").fetchall())  # noqa: S608


def project_of(directory: Path) -> str:
    return f"celery-rig-bench-{directory.name.rpartition('-')[2]}-rabbitmq"


@pytest.mark.usefixtures("own_project")
def test_all_witnesses_agree_on_every_task_and_nothing_is_left(file: Path, tmp_path: Path) -> None:
    run = started(file, tmp_path)
    said, _ = run.communicate(timeout=400)
    # 3 is a paced load that a busy machine did not keep up with: the account below holds all the same.
    assert run.returncode in (0, 1, 3), said
    (directory,) = tmp_path.glob("*-small-*")
    seen = result.load(directory)
    assert not seen.interrupted, said
    for cell, account in seen.accounts.items():
        assert account["executed"] == account["confirmed"] == account["sent"] > 2 * 400, cell
        assert not any(account[what] for what in ("lost", "duplicated", "unexpected", "failed", "invalid")), account
        assert set(seen.counts[cell].values()) == {account["sent"], 0}
        assert seen.counts[cell][check.LEFT] == 0
    assert {turn.round for turn in seen.turns} == {0, 1, 2}
    assert sent_by_cell(directory / "tasks.parquet") == {cell: each["sent"] for cell, each in seen.accounts.items()}
    assert (directory / "report.md").read_text().startswith("# small: ")
    assert left_behind(project_of(directory)) == ""


@pytest.mark.usefixtures("own_project")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_numbers_and_removes_its_containers(
    file: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    run = started(file, tmp_path)
    try:
        wait_until("the first round", lambda: list(tmp_path.glob("*-small-*/result.json")), seconds=200)
        (directory,) = tmp_path.glob("*-small-*")
        assert left_behind(project_of(directory))  # so the last assertion can fail
        run.send_signal(ending)
        time.sleep(0.5)
        run.send_signal(ending)  # who is impatient must not make it worse
        said, _ = run.communicate(timeout=120)
    finally:
        run.kill()
    assert run.returncode == 130
    assert f"kept in {directory}" in said
    assert result.load(directory).interrupted
    assert sent_by_cell(directory / "tasks.parquet")
    assert (directory / "report.md").exists()
    assert left_behind(project_of(directory)) == ""
