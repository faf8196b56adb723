"""What the figures of a report are drawn from, from ledgers written here stamp by stamp."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import made_up
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.errors import BadInput
from rig.experiment import distributions
from rig.experiment.distributions import POINTS, STAGES, Shapes, shapes_of
from rig.experiment.file.spec import Load
from rig.experiment.result import Result
from rig.experiment.turn import BACKLOG, COMPONENTS, DRAIN, PACED, Phase, Turn, post_number
from rig.ledger import layout
from rig.ledger.reader import read_ledger
from rig.ledger.writer import Writer
from rig.load.generator.order import sequence
from rig.load.ids import task_ids
from rig.testbed.variant import Kind

MS, S = 1_000_000, 1_000_000_000
STAMPS = ("planned", "sent", "published", "received", "started", "body_done", "stored", "finished")
Task = Sequence[int]  # ns, in the order of STAMPS; 0 for "has not happened"


def turn(number: int, *, round: int = 1, discarded: bool = False) -> Turn:
    """A turn whose backlog lasts for the first second, its drain for the second, its paced load for the third."""
    phases = {
        name: Phase(
            started_ns=(10 * number + index + 1) * S, ended_ns=(10 * number + index + 2) * S,
            cpu_ns=dict.fromkeys(COMPONENTS, 0), host_ns=0, stolen_ns=0,
        )
        for index, name in enumerate((BACKLOG, DRAIN, PACED))
    }  # fmt: skip
    return Turn(
        round=round, place=0, cell="stored", number=number, phases=phases, sent={}, values={}, discarded=discarded
    )


def write(directory: Path, posts: dict[int, Sequence[Task]]) -> None:
    generator, worker = Writer(directory, "generator"), Writer(directory, "worker")
    for post, tasks in posts.items():
        make = task_ids("abcdef01", post, 0)
        for stamps in tasks:
            task_id, by_name = make(), dict(zip(STAMPS, stamps, strict=True))
            words, base = generator.claim_send(task_id, generator.kind("app.noop", "q"))
            for name in ("planned", "sent", "published"):
                words[base + layout.SEND_STAMPS[name]] = by_name[name]
            words, base = worker.claim_run(task_id, worker.kind("app.noop", "q"))
            words[base + layout.OUTCOME] = layout.OUTCOME_CODE["succeeded"] if by_name["finished"] else 0
            for name in STAMPS[3:]:
                words[base + layout.RUN_STAMPS[name]] = by_name[name]


def shapes_after(directory: Path, turns: list[Turn], posts: dict[int, Sequence[Task]]) -> Shapes:
    directory.mkdir(exist_ok=True)
    write(directory, posts)
    return shapes_of(result(turns), {"stored": read_ledger(directory)}, directory)


def result(turns: list[Turn]) -> Result:
    return replace(made_up.result(), turns=turns)


def task(at: int, *, lasting: int = 7 * MS) -> list[int]:
    """A task planned at `at`, each of whose seven stages takes a seventh of `lasting`."""
    return [at + index * lasting // 7 for index in range(8)]


def test_a_task_s_time_is_told_stage_by_stage(tmp_path: Path) -> None:
    stages = [1, 2, 3, 4, 5, 6, 7]  # ms
    stamps = [3 * S]
    for stage in stages:
        stamps.append(stamps[-1] + stage * MS)
    found = shapes_after(tmp_path, [turn(0)], {post_number(0, PACED): [stamps, stamps]}).stack["stored"][""]
    assert found.us == dict(zip(STAGES, [1000.0 * stage for stage in stages], strict=True))
    assert (found.count, found.partial, found.median_us) == (2, 0, 28_000)


def test_a_worker_that_has_the_message_before_the_publisher_knows_leaves_no_negative_stage(tmp_path: Path) -> None:
    planned, sent, received = 3 * S, 3 * S + MS, 3 * S + 3 * MS
    stamps = [planned, sent, sent + 9 * MS, received, received + MS, received + 2 * MS, 0, received + 3 * MS]
    found = shapes_after(tmp_path, [turn(0)], {post_number(0, PACED): [stamps]}).stack["stored"][""]
    assert [found.us[stage] for stage in STAGES] == [1000, 2000, 0, 1000, 1000, 0, 1000]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 50 * MS), min_size=7, max_size=7), min_size=1, max_size=12))
def test_stages_add_up_to_the_mean_latency(tmp_path_factory: pytest.TempPathFactory, tasks: list[list[int]]) -> None:
    rows = []
    for gaps in tasks:
        row = [3 * S]
        for gap in gaps:
            row.append(row[-1] + gap)
        rows.append(row)
    found = shapes_after(tmp_path_factory.mktemp("ledger"), [turn(0)], {post_number(0, PACED): rows})
    stack, latency = found.stack["stored"][""], found.latency["stored"][""]
    mean_us = sum(row[-1] - row[0] for row in rows) / len(rows) / 1000
    assert sum(stack.us.values()) == pytest.approx(mean_us, abs=0.05 * len(STAGES))
    assert min(stack.us.values()) >= 0
    assert latency.ms == sorted(latency.ms)
    assert latency.most_ms == pytest.approx(max(row[-1] - row[0] for row in rows) / 1e6, rel=1e-3)
    assert latency.ms[0] == pytest.approx(min(row[-1] - row[0] for row in rows) / 1e6, rel=1e-3)


def test_percentiles_are_where_they_are_said_to_be_and_the_tail_has_its_round(tmp_path: Path) -> None:
    first = [task(3 * S, lasting=(1 + index) * MS) for index in range(899)]  # 1 to 899 ms
    first.append(task(3 * S, lasting=1000 * MS))
    second = [task(13 * S, lasting=(900 + index) * MS) for index in range(100)]  # 900 to 999 ms: most of the tail
    posts = {post_number(0, PACED): first, post_number(1, PACED): second}
    found = shapes_after(tmp_path, [turn(0), turn(1, round=2)], posts).latency["stored"][""]
    by_point = dict(zip(POINTS, found.ms, strict=True))
    assert (by_point[0.0], by_point[1.0], by_point[2.0], by_point[3.0]) == (1, 900, 990, 999)
    assert (found.count, found.most_ms, found.tail) == (1000, 1000, 10)
    assert (found.worst_round, found.worst_share) == (2, 0.9)


def test_flow_counts_each_task_in_the_bin_where_it_was_published_and_finished(tmp_path: Path) -> None:
    # The turn begins at 1 s. Published 0.05 s into it, finished 1.55 s into it.
    backlog = [0, S, S + 50 * MS, 2 * S, 2 * S, 2 * S, 0, 2 * S + 550 * MS]
    paced = [*[3 * S] * 7, 3 * S + 120 * MS]
    posts = {post_number(0, BACKLOG): [backlog], post_number(0, PACED): [paced]}
    found = shapes_after(tmp_path, [turn(0)], posts)
    flow = found.flow[0]
    assert found.bin_s == 0.1
    assert len(flow.published) == len(flow.finished) == 30
    assert [index for index, count in enumerate(flow.published) if count] == [0, 20]
    assert [index for index, count in enumerate(flow.finished) if count] == [15, 21]


def test_the_run_in_is_in_the_flow_and_in_no_latency(tmp_path: Path) -> None:
    before, after = task(3 * S - MS, lasting=900 * MS), task(4 * S, lasting=900 * MS)
    found = shapes_after(tmp_path, [turn(0)], {post_number(0, PACED): [before, task(3 * S), after]})
    latency, stack = found.latency["stored"][""], found.stack["stored"][""]
    assert (latency.count, latency.most_ms, stack.count, stack.partial) == (1, 7, 1, 0)
    assert sum(found.flow[0].published) == sum(found.flow[0].finished) == 3


def test_warm_up_discarded_turns_and_children_are_left_out(tmp_path: Path) -> None:
    turns = [turn(0, round=0), turn(1, discarded=True), turn(2)]
    posts = {post_number(number, PACED): [task((3 + 10 * number) * S)] for number in range(3)}
    child, parents = task_ids("abcdef01", post_number(2, PACED), 7)(), Writer(tmp_path, "worker-child")
    words, base = parents.claim_send(child, parents.kind("app.child", "q"))
    words[base + layout.SENT], words[base + layout.PUBLISHED] = 23 * S, 23 * S + MS
    words[base + layout.PARENT] = int.from_bytes(b"parentid", "little")
    words, base = parents.claim_run(child, parents.kind("app.child", "q"))
    words[base + layout.STARTED], words[base + layout.FINISHED] = 23 * S + 2 * MS, 23 * S + 3 * MS
    found = shapes_after(tmp_path, turns, posts)
    assert found.latency["stored"][""].count == 1
    assert list(found.flow) == [2]
    assert sum(found.flow[2].published) == 1


def test_kinds_are_told_apart_by_the_sequence_that_the_seed_of_the_round_gave(tmp_path: Path) -> None:
    load = Load(kinds=(Kind(name="short", task="app.a", share=0.75), Kind(name="long", task="app.a", share=0.25)))
    run = result([turn(0, round=3)])
    run = replace(run, experiment=replace(run.experiment, load=load))
    kinds = list(islice(sequence([0.75, 0.25], run.seed_of(3)), 200))
    write(tmp_path, {post_number(0, PACED): [task(3 * S, lasting=(900 if kind else 7) * MS) for kind in kinds]})
    found = shapes_of(run, {"stored": read_ledger(tmp_path)}, tmp_path)
    latency, stack = found.latency["stored"], found.stack["stored"]
    assert {kind: each.count for kind, each in latency.items()} == {"": 200, "short": 150, "long": 50}
    assert (latency["short"].most_ms, latency["long"].ms[0]) == (7, 900)
    assert stack["long"].median_us == 900_000


def test_a_task_that_never_finished_is_counted_as_missing_from_the_stack(tmp_path: Path) -> None:
    unfinished = [*task(3 * S)[:4], 0, 0, 0, 0]
    found = shapes_after(tmp_path, [turn(0)], {post_number(0, PACED): [task(3 * S), unfinished]})
    assert (found.stack["stored"][""].count, found.stack["stored"][""].partial) == (1, 1)
    assert found.latency["stored"][""].count == 1


def test_a_cell_without_tasks_has_no_shapes_and_that_is_no_error(tmp_path: Path) -> None:
    found = shapes_after(tmp_path, [turn(0)], {})
    assert (found.latency["stored"], found.stack["stored"]) == ({}, {})


def test_shapes_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    assert distributions.load(tmp_path) is None
    found = shapes_after(tmp_path / "ledger", [turn(0)], {post_number(0, PACED): [task(3 * S)]})
    distributions.save(found, tmp_path)
    assert distributions.load(tmp_path) == found


def test_a_shapes_file_of_another_format_or_damaged_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / distributions.FILE
    path.write_text(json.dumps({"format": 99}))
    with pytest.raises(BadInput, match="another version"):
        distributions.load(tmp_path)
    for text in ("{", json.dumps({"format": distributions.FORMAT}), "[]"):
        path.write_text(text)
        with pytest.raises(BadInput, match="damaged"):
            distributions.load(tmp_path)


def test_the_file_stays_small_however_long_the_run(tmp_path: Path) -> None:
    long = [replace(turn(number), phases={BACKLOG: replace(turn(number).phases[BACKLOG], ended_ns=10_000 * S)})
            for number in range(90)]  # fmt: skip
    distributions.save(shapes_after(tmp_path, long, {}), tmp_path)
    assert (tmp_path / distributions.FILE).stat().st_size < 200_000
