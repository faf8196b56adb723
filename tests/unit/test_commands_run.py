"""`rig run` with several files, and what it refuses before anything is started."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import pytest

from rig import cli
from rig.commands import run as verb
from rig.errors import BadInput, StackError
from rig.experiment import result
from rig.experiment.result import Result
from rig.report import write

FILE = """\
claim = "whatever"
source = "tests"
[expectation]
measure = "total_cpu"
variant = "ignored"
change = "lower"
percent = 0
[load]
task = "app.noop"
[[variants]]
name = "stored"
settings = { task_ignore_result = false }
[[variants]]
name = "ignored"
settings = { task_ignore_result = true }
"""
CONFIRMED = made_up.result()
REFUTED = replace(made_up.result(), experiment=made_up.experiment(change="lower"))
INVALID = made_up.with_account(made_up.result(), "stored", lost=["x"])
STOPPED = replace(made_up.result(), interrupted="Ctrl-C")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(write.plot, "draw", lambda *_: None)  # it takes a second each time
    for name in "abc":
        (tmp_path / f"{name}.toml").write_text(FILE)
    return tmp_path / "runs"


def outcomes(monkeypatch: pytest.MonkeyPatch, *wanted: Result | Exception) -> list[str]:
    """Let the next runs come out like this; the names of the experiments that were run are collected."""
    begun: list[str] = []
    coming = iter(wanted)

    def launch(experiment: Any, _checkout: Any, runs: Path, _seed: int) -> tuple[Path, Result]:
        begun.append(experiment.name)
        comes = next(coming)
        if isinstance(comes, Exception):
            raise comes
        directory = runs / experiment.name
        directory.mkdir(parents=True)
        result.save(comes, directory)
        return directory, comes

    monkeypatch.setattr(verb, "launch", launch)
    return begun


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ([CONFIRMED, CONFIRMED, CONFIRMED], 0),
        ([CONFIRMED, REFUTED, CONFIRMED], 1),
        ([INVALID, REFUTED, CONFIRMED], 3),
        ([StackError("no broker\n    its log"), CONFIRMED, CONFIRMED], 1),
        ([BadInput(["port taken"]), INVALID, CONFIRMED], 2),
    ],
)
def test_all_files_are_run_and_the_gravest_outcome_is_the_exit_code(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wanted: list[Any], code: int
) -> None:
    begun = outcomes(monkeypatch, *wanted)
    assert cli.main(["run", "a.toml", "b.toml", "c.toml", "--runs", str(runs)]) == code
    assert begun == ["a", "b", "c"]
    table = capsys.readouterr().out.rpartition("experiment")[2].splitlines()
    assert [line.split()[0] for line in table[-3:]] == ["a", "b", "c"]
    for name, comes in zip("abc", wanted, strict=True):
        assert (runs / name / "junit.xml").exists() == isinstance(comes, Result)


def test_ctrl_c_stops_everything(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = outcomes(monkeypatch, CONFIRMED, STOPPED, CONFIRMED)
    assert cli.main(["run", "a.toml", "b.toml", "c.toml", "--runs", str(runs)]) == 130
    assert begun == ["a", "b"]


def test_every_file_is_read_before_the_first_is_run(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("b.toml").write_text(FILE.replace("total_cpu", "speed"))
    Path("c.toml").write_text(FILE.replace("app.noop", ""))
    begun = outcomes(monkeypatch)
    assert cli.main(["run", "a.toml", "b.toml", "c.toml", "--rounds", "1", "--runs", str(runs)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert begun == []
    assert [line.split(":")[1].strip() for line in said] == ["b.toml", "c.toml", "--rounds 1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "error: rig run needs an experiment: rig run loadtests/experiments/*.toml"),
        (["--resume", "x", "--seed", "0", "a.toml"], "error: --resume goes on as the run began: leave out files, seed"),
        (["--resume", "no such run"], "error: no run is called 'no such run': `rig list` shows them"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_a_command_line_that_cannot_be_meant_is_refused_in_a_line(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert cli.main(["run", *words]) == 2
    assert capsys.readouterr().err.strip() == said
