"""Tables within tables of an experiment file: kinds, workers, goal, thresholds, assertions."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from experiment_files import GOOD, TOPOLOGIES, problems

from rig.experiment.file.read import load_experiment
from rig.experiment.file.spec import Assertion, Goal, Threshold
from rig.experiment.file.tables import experiment_of
from rig.experiment.measure import measures
from rig.testbed.variant import Kind

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
    assert many["p99.short"].title == "end to end, p99 of a typical round, short"
    assert many["waiting.long"].unit == "%"
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
        (("p99.short", "p99.medium"), 6, "measure must be one of execution_rate"),
        (('measure = "worker_cpu"', 'measure = "cpu"'), 11, "measure must be one of execution_rate"),
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
        (('"slow" }', '"Slow" }'), 32, "invalid name 'Slow'"),
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


ASSERTED = """\
[[assert]]
variant = "b"
fact = "results_written"
at_most = 0
[[assert]]
variant = "a"
fact = "stored"
at_least = 1
"""


def test_what_must_be_seen_of_a_variant_and_what_may_happen_to_tasks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('allow = ["expired"]\n' + GOOD + ASSERTED)
    experiment = load_experiment(path, TOPOLOGIES)
    assert experiment.allow == ("expired",)
    assert experiment.assertions == (
        Assertion(variant="b", fact="results_written", at_most=0), Assertion(variant="a", fact="stored", at_least=1),
    )  # fmt: skip
    assert experiment_of(json.loads(json.dumps(asdict(experiment), default=str))) == experiment


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("at_most = 0\n", ""), 16, "[assert] needs at_most, at_least or both"),
        (('variant = "a"\nfact', 'variant = "control"\nfact'), 21, "variant must be one of a, b, not 'control'"),
        (('"results_written"', '"written"'), 18, "fact must be one of results_written, results_subscribed"),
        (("at_most = 0", "at_most = -1"), 19, "at_most must be at least 0, not -1"),
        (
            ('claim = "c"', 'claim = "c"\nallow = ["lost"]'),
            2,
            "must name some of duplicated, expired, failed, not 'lost'",
        ),
        (('task = "app.noop"', 'task = "app.noop"\nrate = 0'), 10, "rate must be above 0"),
        (('task = "app.noop"', 'task = "app.noop"\nrun_in = -1'), 10, "run_in must be at least 0"),
        (('task = "app.noop"', 'task = "app.noop"\nwait_ms = 0'), 10, "wait_ms must be above 0"),
    ],
)
def test_what_is_wrong_with_an_assertion_or_a_window_is_named_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, said: str
) -> None:
    found = problems(tmp_path, (GOOD + ASSERTED).replace(*change, 1))
    assert any(problem.startswith(f"{line}: ") and said in problem for problem in found), found
