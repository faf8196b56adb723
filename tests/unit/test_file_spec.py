"""Experiment files: what is right is read, and what is wrong is refused, all of it, each with its line."""

from pathlib import Path

import pytest
from experiment_files import GOOD, TOPOLOGIES, problems

from rig.errors import BadInput
from rig.experiment.file.lines import line_of, locate
from rig.experiment.file.read import load_experiment
from rig.experiment.file.spec import differing
from rig.testbed.variant import Kind, Variant, WorkerSpec

ROOT = Path(__file__).parents[2]


def test_the_files_of_the_project_are_sound() -> None:
    paths = sorted((ROOT / "loadtests/experiments").glob("*.toml"))
    assert paths
    for path in paths:
        experiment = load_experiment(path, TOPOLOGIES)
        assert experiment.name == path.stem
        assert experiment.factors


def test_what_a_file_leaves_out_takes_the_default(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(GOOD)
    experiment = load_experiment(path, TOPOLOGIES)
    assert experiment.baseline == Variant(name="a", settings={"task_ignore_result": False})
    assert experiment.rounds == 16
    assert experiment.load.arrivals == "poisson"
    assert experiment.load.kinds == (Kind(task="app.noop"),)
    assert experiment.factors == ("settings.task_ignore_result",)


def test_all_mistakes_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    text = (
        GOOD.replace('measure = "execution_rate"', 'measure = "speed"')
        .replace('task = "app.noop"', 'task = "app.noop"\nback_log = 5\nbacklog = 5\nshare = 2')
        .replace('name = "b"', 'name = "b"\ntopology = "kafka"\nworker = "-c 2 -Q short"')
        .replace("percent = 5", "percent = true")
    )
    found = problems(tmp_path, text)
    assert [int(problem.split(":")[0]) for problem in found] == [4, 7, 10, 11, 12, 18, 19]
    assert "measure must be one of execution_rate, publisher_cpu" in found[0]
    assert "percent must be a number, not True" in found[1]
    assert "[load] unknown key 'back_log'; valid are task, args, kwargs, kinds, backlog, users, arrivals" in found[2]
    assert "backlog must be at least 100, not 5" in found[3]
    assert "share must lie above 0" in found[4]
    assert "topology must be one of rabbitmq, redis, not 'kafka'" in found[5]
    assert "-Q: set by the engine" in found[6]


def test_missing_tables_and_keys_are_named(tmp_path: Path) -> None:
    assert problems(tmp_path, 'claim = ""\n') == [
        "1: claim must not be empty",
        "1: expectation is missing",
        "1: load is missing",
        "1: source is missing",
        "1: variants is missing",
    ]


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("= true", "= false"), 13, "the variants differ in 0 factors"),
        (('name = "b"', 'name = "b"\nworker = "--concurrency 4"'), 13, 'factors = ["settings.task_ignore_result", '),
        (('claim = "c"', 'claim = "c"\nfactors = ["topology"]'), 2, 'in ["settings.task_ignore_result"], not in'),
        (('variant = "b"', 'variant = "a"'), 5, "variant must be one of those after the first: b"),
        (('name = "b"', 'name = "a"'), 14, "taken by another variant"),
        (('name = "b"', 'name = "control"'), 14, "name of the A/A control"),
        (('name = "b"', 'name = "B_1"'), 14, "lower-case letters"),
        (('task = "app.noop"', "task = 3"), 9, "task must be a text"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, change: tuple[str, str], line: int, said: str) -> None:
    found = problems(tmp_path, GOOD.replace(*change))
    assert any(problem.startswith(f"{line}: ") and said in problem for problem in found), found


def test_several_factors_are_allowed_when_the_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    text = GOOD.replace('name = "b"', 'name = "b"\ntopology = "redis"')
    path.write_text('factors = ["topology", "settings.task_ignore_result"]\n' + text)
    assert load_experiment(path, TOPOLOGIES).factors == ("settings.task_ignore_result", "topology")


def test_a_file_that_is_no_toml_or_not_there_is_bad_input(tmp_path: Path) -> None:
    assert "not TOML" in problems(tmp_path, "claim = \n")[0]
    with pytest.raises(BadInput, match="cannot be read"):
        load_experiment(tmp_path / "none.toml", TOPOLOGIES)


def test_worker_flags_are_factors_of_their_own() -> None:
    short = Variant(name="a", workers=(WorkerSpec(worker="--pool prefork -O fair --without-gossip"),))
    assert short.factors() == {
        "topology": "rabbitmq", "call": "send_task", "worker --pool": "prefork", "worker -O": "fair",
        "worker --without-gossip": "", "workers": "", "queues": "",
    }  # fmt: skip
    other = Variant(name="b", workers=(WorkerSpec(worker="--pool=threads -O fair --without-gossip"),))
    assert differing((short, other)) == ("worker --pool",)


def test_lines_are_found_behind_multi_line_values_and_in_sub_tables() -> None:
    text = 'a = [\n  1,\n]\nb = """\nclaim = 1\n"""\n[[variants]]\nname = "x"\n[variants.settings]\nk = 1\n'
    text += "[[variants]]\n"
    lines = locate(text)
    assert lines[("a",)] == 1
    assert lines[("b",)] == 4
    assert ("claim",) not in lines
    assert lines[("variants", 0, "settings", "k")] == 10
    assert lines[("variants", 1)] == 11
    assert line_of(("variants", 1, "settings", "z"), lines) == 11


def test_workers_that_differ_in_a_flag_have_its_values_joined() -> None:
    two = Variant(name="a", workers=(WorkerSpec(worker="-c 2 -O fair"), WorkerSpec(worker="-c 8")), call="delay")
    flat = two.factors()
    assert flat["worker -c"] == "2 | 8"
    assert flat["worker -O"] == "fair | without"
    assert differing((two, Variant(name="b", workers=(*two.workers,)))) == ("call",)
