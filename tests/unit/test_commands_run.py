"""`rig run` with several files, and what it refuses before anything is started."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import pytest
import spoiled
from topologies import TOPOLOGIES

from rig import cli
from rig.commands import run as verb
from rig.errors import BadInput, StackError
from rig.experiment import attempts, result
from rig.experiment.file.spec import Experiment
from rig.experiment.result import Result
from rig.report import write
from rig.stack.paths import Checkout

Begun = tuple[Experiment, int, int]

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


LATE = spoiled.answered(made_up.result(), rounds=8, cpu_seconds=1.9, seconds=2.0)  # touches no execution rate
NO_BROKER = StackError("no broker\n    its log")
STACK_DIED = replace(made_up.result(), interrupted="the broker is gone")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verb, "checkout", lambda: Checkout(root=tmp_path, settings={}))
    monkeypatch.setattr(Checkout, "topologies", lambda _: TOPOLOGIES)
    monkeypatch.setattr(write.plot, "draw", lambda *_: None)  # it takes a second each time
    for name in "abc":
        (tmp_path / f"{name}.toml").write_text(FILE)
    return tmp_path / "somewhere"


def outcomes(monkeypatch: pytest.MonkeyPatch, *wanted: Result | Exception | list[Result]) -> list[Begun]:
    """Let the next runs come out like this; what was begun is collected: experiment, seed, number of runs."""
    begun: list[Begun] = []
    coming = iter(wanted)

    def independent(
        experiment: Experiment, _checkout: Any, runs: Path, seed: int, count: int
    ) -> tuple[Path, list[Result]]:
        begun.append((experiment, seed, count))
        comes = next(coming)
        if isinstance(comes, Exception):
            raise comes
        directory, results = runs / experiment.name, comes if isinstance(comes, list) else [comes]
        for number, each in enumerate(results, start=1):
            own = directory / f"run-{number}" if count > 1 else directory
            own.mkdir(parents=True)
            result.save(each, own)
        return directory, results

    monkeypatch.setattr(verb.series, "independent", independent)
    return begun


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ([CONFIRMED, CONFIRMED, CONFIRMED], 0),
        ([CONFIRMED, REFUTED, CONFIRMED], 1),
        ([CONFIRMED, LATE, CONFIRMED], 0),
        ([INVALID, REFUTED, CONFIRMED], 3),
        ([NO_BROKER, CONFIRMED, CONFIRMED], 4),
        ([NO_BROKER, INVALID, REFUTED], 4),
        ([STACK_DIED, INVALID, REFUTED], 4),
        ([BadInput(["port taken"]), NO_BROKER, CONFIRMED], 2),
    ],
)
def test_all_files_are_run_and_the_gravest_outcome_is_the_exit_code(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wanted: list[Any], code: int
) -> None:
    begun = outcomes(monkeypatch, *wanted)
    assert cli.main(["run", "a.toml", "b.toml", "c.toml", "--into", str(runs)]) == code
    assert [experiment.name for experiment, *_ in begun] == ["a", "b", "c"]
    table = capsys.readouterr().out.rpartition("experiment ")[2].splitlines()
    assert [line.split()[0] for line in table[-3:]] == ["a", "b", "c"]
    for name, comes in zip("abc", wanted, strict=True):
        assert (runs / name / "junit.xml").exists() == isinstance(comes, Result)


def test_what_docker_did_is_said_in_full_and_has_a_code_of_its_own(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes(monkeypatch, NO_BROKER)
    assert cli.main(["run", "a.toml", "--into", str(runs)]) == 4
    assert capsys.readouterr().err == "error: no broker\n    its log\n"


def test_a_run_that_docker_ended_keeps_what_it_measured(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes(monkeypatch, STACK_DIED)
    assert cli.main(["run", "a.toml", "--into", str(runs)]) == 4
    assert f"kept in {runs / 'a'}: " in capsys.readouterr().out


@pytest.mark.parametrize("why", ["Ctrl-C", "SIGTERM"])
def test_ctrl_c_stops_everything(runs: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    begun = outcomes(monkeypatch, CONFIRMED, replace(CONFIRMED, interrupted=why), CONFIRMED)
    assert cli.main(["run", "a.toml", "b.toml", "c.toml", "--into", str(runs)]) == 130
    assert len(begun) == 2


def test_ctrl_c_in_a_later_run_of_a_series_stops_everything(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes(monkeypatch, [CONFIRMED, STOPPED], CONFIRMED)
    assert cli.main(["run", "a.toml", "b.toml", "--runs", "3", "--into", str(runs)]) == 130


def test_independent_runs_are_judged_together_and_noted_as_one_attempt(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = outcomes(monkeypatch, made_up.series())
    assert cli.main(["run", "a.toml", "--runs", "3", "--rounds", "5", "--seed", "7", "--into", str(runs)]) == 0
    ((experiment, seed, count),) = begun
    assert (experiment.rounds, seed, count) == (5, 7, 3)
    assert f"report: {runs / 'a' / 'report.html'}" in capsys.readouterr().out
    assert len(json.loads((runs / "a" / "verdict.json").read_text())["runs"]) == 3
    assert attempts.earlier(runs.parent, made_up.experiment()) == {"confirmed": 1}


def test_a_seed_that_is_not_given_is_drawn_for_each_experiment(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = outcomes(monkeypatch, CONFIRMED, CONFIRMED, CONFIRMED)
    cli.main(["run", "a.toml", "b.toml", "c.toml", "--into", str(runs)])
    assert len({seed for _, seed, _ in begun}) > 1
    assert {count for *_, count in begun} == {1}


def test_a_sweep_is_an_experiment_at_each_setting(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = outcomes(monkeypatch, *[CONFIRMED] * 4)
    sweep = ["--sweep", "concurrency=2,4", "--sweep", "prefetch=1,8"]
    assert cli.main(["run", "a.toml", *sweep, "--seed", "5", "--into", str(runs)]) == 0
    names = [f"a-concurrency{c}-prefetch{p}" for c in (2, 4) for p in (1, 8)]
    assert [experiment.name for experiment, *_ in begun] == names
    assert "--concurrency 4" in begun[-1][0].baseline.workers[0].worker
    assert all(name in capsys.readouterr().out for name in names[:1])
    assert sorted(path.name for path in runs.iterdir()) == sorted(names)


def test_every_file_is_read_before_the_first_is_run(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("b.toml").write_text(FILE.replace("total_cpu", "speed"))
    Path("c.toml").write_text(FILE.replace("app.noop", ""))
    begun = outcomes(monkeypatch)
    words = ["a.toml", "b.toml", "c.toml", "--rounds", "1", "--runs", "0", "--into", str(runs)]
    assert cli.main(["run", *words]) == 2
    said = capsys.readouterr().err.splitlines()
    assert begun == []
    assert [line.split(":")[1].strip() for line in said] == ["b.toml", "c.toml", "--rounds 1", "--runs 0"]


def test_a_fault_in_the_sweep_is_said_once_however_many_files(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = outcomes(monkeypatch)
    words = ["run", "a.toml", "b.toml", "--sweep", "threads=2", "--sweep", "prefetch=x", "--into", str(runs)]
    assert cli.main(words) == 2
    assert begun == []
    assert [line.split(":")[1].strip() for line in capsys.readouterr().err.splitlines()] == [
        "--sweep threads=2", "--sweep prefetch=x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "error: rig run needs an experiment: rig run loadtests/experiments/*.toml"),
        (["--resume", "x", "--seed", "0", "a.toml"], "error: --resume goes on as the run began: leave out files, seed"),
        (
            ["--resume", "x", "--runs", "2", "--into", "y", "--sweep", "prefetch=2", "--rounds", "4"],
            "error: --resume goes on as the run began: leave out rounds, runs, sweep, into",
        ),
        (["--resume", "no such run"], "error: no run is called 'no such run': `rig list` shows them"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_a_command_line_that_cannot_be_meant_is_refused_in_a_line(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert cli.main(["run", *words]) == 2
    assert capsys.readouterr().err.strip() == said
