"""Experiment files: what is right is read, and what is wrong is refused, all of it, each with its line."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from rig.errors import BadInput
from rig.experiment import result
from rig.experiment.lines import line_of, locate
from rig.experiment.measure import measures
from rig.experiment.read_spec import load_experiment
from rig.experiment.spec import Goal, Kind, Threshold, Variant, WorkerSpec, differing
from rig.experiment.tables import experiment_of

ROOT = Path(__file__).parents[2]
TOPOLOGIES = ["rabbitmq", "redis"]
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
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_experiment(path, TOPOLOGIES)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


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
    assert "measure must be one of publish_rate, execution_rate" in found[0]
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


MANY = """\
claim = "c"
source = "s"
stop_at = 3
factors = ["queues", "worker --concurrency", "workers"]
[expectation]
measure = "p99.short"
variant = "pinned"
change = "lower"
percent = 5
[[thresholds]]
measure = "worker_cpu"
variant = "pinned"
at_most = 1.1
[load]
[load.goal]
percentile = 99
ms = 50
[[load.kinds]]
name = "short"
task = "app.noop"
share = 0.95
[[load.kinds]]
name = "long"
task = "app.sleep"
args = [0.1]
share = 0.05
[[variants]]
name = "shared"
worker = "--concurrency 4"
[[variants]]
name = "pinned"
queues = { short = "quick", long = "slow" }
[[variants.workers]]
worker = "--concurrency 2"
queues = ["quick"]
[[variants.workers]]
worker = "--concurrency 2"
queues = ["slow"]
"""


def test_kinds_workers_goal_and_thresholds_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(MANY)
    experiment = load_experiment(path, TOPOLOGIES)
    assert experiment.stop_at == 3
    assert experiment.thresholds == (Threshold(measure="worker_cpu", variant="pinned", at_most=1.1),)
    assert experiment.load.goal == Goal(percentile=99, ms=50)
    assert experiment.load.kinds[1] == Kind(name="long", task="app.sleep", args=(0.1,), share=0.05)
    pinned = experiment.variants[1]
    assert [worker.queues for worker in pinned.workers] == [("quick",), ("slow",)]
    assert pinned.logical_queues == ("quick", "slow")
    assert pinned.queue_of("long") == "slow"
    assert experiment.baseline.logical_queues == ("",)
    assert experiment.baseline.queue_of("long") == ""


def test_measures_depend_on_kinds_and_goal(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(MANY)
    many = measures(load_experiment(path, TOPOLOGIES))
    assert {"p50", "p99.short", "p95.long", "sustainable_rate"} <= many.keys()
    assert many["p99.short"].title == "end to end, p99, short"
    path.write_text(GOOD)
    plain = measures(load_experiment(path, TOPOLOGIES))
    assert "sustainable_rate" not in plain
    assert not any("." in name for name in plain)


@pytest.mark.parametrize("text", [GOOD, MANY])
def test_an_experiment_survives_its_way_through_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    experiment = load_experiment(path, TOPOLOGIES)
    assert experiment_of(json.loads(json.dumps(asdict(experiment), default=str))) == experiment


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("p99.short", "p99.medium"), 6, "measure must be one of publish_rate"),
        (('measure = "worker_cpu"', 'measure = "cpu"'), 11, "measure must be one of publish_rate"),
        (('variant = "pinned"\nat_most', 'variant = "shared"\nat_most'), 12, "one of those after the first: pinned"),
        (("at_most = 1.1", ""), 10, "needs at_most, at_least or both"),
        (("at_most", "atmost"), 13, "[thresholds] unknown key 'atmost'; valid are measure, variant, at_most"),
        (("ms = 50", ""), 15, "[load.goal] ms is missing"),
        (("[load]", '[load]\ntask = "app.noop"'), 15, "task is for a load of one kind"),
        (("share = 0.95", "share = 0.9"), 18, "must sum to 1, not to 0.95"),
        (("share = 0.95", "share = 0.9501"), 21, "in steps of 0.001"),
        (('name = "long"', 'name = "short"'), 23, "taken by another kind"),
        (("args = [0.1]", "arg = [0.1]"), 25, "[load.kinds] unknown key 'arg'; valid are name, task, args"),
        (('"slow" }', '"slow", huge = "x" }'), 32, "must name each kind of the load once (short, long)"),
        (('"slow" }', '"Slow" }'), 32, "'Slow' will not do"),
        (
            ('queues = ["slow"]', 'queues = ["late"]'),
            38,
            "no kind goes to 'late'; the variant's queues table has quick",
        ),
        (('queues = ["slow"]', 'queues = ["quick"]'), 33, "no worker consumes the queue 'slow'"),
        (("[[variants.workers]]", 'worker = "-c 2"\n[[variants.workers]]'), 33, "worker is for one worker"),
        (('name = "shared"', 'name = "shared"\ncall = "delay"\noptions = { countdown = 1 }'), 30, "takes none"),
        (('name = "shared"', 'name = "shared"\ncall = "fetch"'), 29, "one of send_task, apply_async, delay"),
        (('name = "shared"', 'name = "shared"\ntopology = "redis"\nqueue_arguments = { a = 1 }'), 30, "are RabbitMQ's"),
    ],
)
def test_what_is_wrong_in_nested_tables_is_named_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, said: str
) -> None:
    found = problems(tmp_path, MANY.replace(*change, 1))
    assert any(problem.startswith(f"{line}: ") and said in problem for problem in found), found


def test_workers_that_differ_in_a_flag_have_its_values_joined() -> None:
    two = Variant(name="a", workers=(WorkerSpec(worker="-c 2 -O fair"), WorkerSpec(worker="-c 8")), call="delay")
    flat = two.factors()
    assert flat["worker -c"] == "2 | 8"
    assert flat["worker -O"] == "fair | without"
    assert differing((two, Variant(name="b", workers=(*two.workers,)))) == ("call",)


def test_the_committed_record_of_the_first_run_is_still_read() -> None:
    kept = result.load(ROOT / "docs/runs/ignore_result")
    assert kept.experiment.load.kinds == (Kind(task="app.noop"),)
    assert "--concurrency 2" in kept.experiment.baseline.workers[0].worker
