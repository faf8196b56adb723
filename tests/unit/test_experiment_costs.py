"""CPU per task, in both regimes, from phases of which everything is known."""

from __future__ import annotations

from dataclasses import replace

import made_up
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.experiment.costs import Idle, costs, idle_of
from rig.experiment.file.spec import CONTROL
from rig.experiment.turn import BACKLOG, COMPONENTS, DRAIN, OTHER, PACED, PARTS, Phase, Turn

IDLE_US = {"publisher": 900.0, "broker": 4000.0, "worker": 2500.0, "results": 700.0, OTHER: 9000.0}
IDLE: Idle = {"before": {"stored": IDLE_US}, "after": {"stored": IDLE_US}}
REGIMES = ("", "_batch")


def phase(seconds: float, work_us: float) -> Phase:
    """Each part does so much work besides what it uses while nothing is sent."""
    ns = {part: round(1e3 * (work_us + IDLE_US[part] * seconds)) for part in PARTS}
    cpu_ns = {part: ns[part] for part in COMPONENTS}
    return Phase(
        started_ns=1, ended_ns=1 + round(seconds * 1e9), cpu_ns=cpu_ns, host_ns=sum(ns.values()), stolen_ns=0
    )  # fmt: skip


def turn(drain_s: float = 2.0) -> Turn:
    phases = {BACKLOG: phase(1.0, 300e3), DRAIN: phase(drain_s, 500e3), PACED: phase(2.0, 900e3)}
    values = {"backlog_tasks": 1000.0, "paced_tasks": 600.0}
    return Turn(round=1, place=0, cell="stored", number=0, phases=phases, sent={}, values=values)


def test_a_cost_is_work_by_task_in_both_regimes() -> None:
    found = costs(turn(), IDLE)
    assert found.keys() == {f"{part}_cpu{regime}" for part in (*PARTS, "total") for regime in REGIMES}
    for part in PARTS:
        assert found[f"{part}_cpu_batch"] == pytest.approx(800)  # 300 ms and 500 ms for a thousand tasks
        assert found[f"{part}_cpu"] == pytest.approx(1500)
    assert found["total_cpu"] == pytest.approx(5 * 1500)


def test_who_needs_longer_for_the_same_work_has_the_same_cost() -> None:
    """A broker's heartbeats go on while it waits: unless they are subtracted the slower variant pays for them."""
    assert costs(turn(drain_s=8.0), IDLE) == pytest.approx(costs(turn(drain_s=1.0), IDLE))
    plain: Idle = {}
    assert costs(turn(drain_s=8.0), plain)["broker_cpu_batch"] > costs(turn(drain_s=1.0), plain)["broker_cpu_batch"]


def test_everything_else_is_what_the_host_used_beyond_the_containers() -> None:
    quiet = turn()
    busy = {name: replace(each, host_ns=each.host_ns + 100_000_000) for name, each in quiet.phases.items()}
    before, after = costs(quiet, IDLE), costs(replace(quiet, phases=busy), IDLE)
    assert after["other_cpu_batch"] - before["other_cpu_batch"] == pytest.approx(200)  # in two phases, 1000 tasks
    assert after["other_cpu"] - before["other_cpu"] == pytest.approx(1e5 / 600)
    unchanged = [name for name in before if not name.startswith(("other", "total"))]
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}


def test_of_a_regime_that_was_not_measured_there_is_no_cost() -> None:
    warm = turn()
    warm = replace(warm, phases={name: warm.phases[name] for name in (BACKLOG, DRAIN)})
    assert {name for name in costs(warm, IDLE) if not name.endswith("_batch")} == set()
    assert costs(replace(warm, values={}), IDLE) == {}
    cut = replace(warm, phases={BACKLOG: warm.phases[BACKLOG]})
    assert costs(cut, IDLE) == {}


def test_idle_is_the_mean_of_before_and_after_and_nothing_where_it_was_not_taken() -> None:
    idle: Idle = {"before": {"stored": {"broker": 1000.0}}, "after": {"stored": {"broker": 3000.0}}}
    assert idle_of(idle, "stored", "broker") == 2000
    assert idle_of({"before": idle["before"]}, "stored", "broker") == 1000
    assert idle_of(idle, "ignored", "broker") == idle_of(idle, "stored", "worker") == idle_of({}, "x", "worker") == 0


USED = st.dictionaries(st.sampled_from(PARTS), st.integers(0, 10**10))


@given(used=st.lists(USED, min_size=3, max_size=3), tasks=st.integers(1, 10**5), idle=USED)
def test_the_sum_is_the_sum_of_the_parts_and_all_that_the_host_used_is_somewhere(
    used: list[dict[str, int]], tasks: int, idle: dict[str, int]
) -> None:
    phases = {}
    for name, ns in zip((BACKLOG, DRAIN, PACED), used, strict=True):
        cpu_ns = {part: ns.get(part, 0) for part in COMPONENTS}
        host_ns = sum(cpu_ns.values()) + ns.get(OTHER, 0)
        phases[name] = Phase(started_ns=0, ended_ns=10**9, cpu_ns=cpu_ns, host_ns=host_ns, stolen_ns=0)
    values = {"backlog_tasks": float(tasks), "paced_tasks": float(tasks)}
    made = replace(turn(), phases=phases, values=values)
    quiet = {"before": {"stored": {part: float(idle.get(part, 0)) for part in PARTS}}}
    found = costs(made, quiet)
    for regime, names in (("", (PACED,)), ("_batch", (BACKLOG, DRAIN))):
        parts = [found[f"{part}_cpu{regime}"] for part in PARTS]
        assert found[f"total_cpu{regime}"] == pytest.approx(sum(parts), abs=1e-6)
        host_us = sum(phases[name].host_ns for name in names) / 1e3
        resting = len(names) * sum(quiet["before"]["stored"].values())
        assert found[f"total_cpu{regime}"] * tasks == pytest.approx(host_us - resting, rel=1e-9, abs=1e-3)


def test_a_result_derives_costs_with_its_own_idle() -> None:
    run = made_up.result(noise=0.0, effect={})
    for measure in ("broker_cpu", "broker_cpu_batch", "other_cpu"):
        columns = run.by_cell(measure)
        assert columns[CONTROL] == pytest.approx([made_up.TRUTH[measure]] * 8)
    doubled = {when: {cell: {**parts, "broker": 2 * parts["broker"]} for cell, parts in cells.items()}
               for when, cells in run.idle.items()}  # fmt: skip
    assert max(replace(run, idle=doubled).by_cell("broker_cpu")["stored"]) < made_up.TRUTH["broker_cpu"]
    assert run.value(run.turns[0], "nothing_cpu") is None
