"""From stamps in a ledger to the measures of a turn; and the counter that watches a turn finish."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from rig.experiment.measure import GOAL_RATE, MEASURES, backlog_values, in_turn, paced_values, pacing
from rig.experiment.record import BACKLOG, COMPONENTS, DRAIN, PACED, WARM, Phase, post_number
from rig.experiment.spec import Kind, Load
from rig.experiment.turn import paced_users
from rig.experiment.watch import Watch
from rig.ledger import record
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import Tasks, build
from rig.ledger.writer import Writer
from rig.load.ids import task_ids
from rig.load.order import sequence

MS = 1_000_000
ONE = Load(kinds=(Kind(task="app.noop"),))
TURN = 5


def phase(cpu_us: int) -> Phase:
    cpu_ns = dict.fromkeys(COMPONENTS, cpu_us * 1000)
    return Phase(started_ns=0, ended_ns=1, cpu_ns=cpu_ns, host_ns=0, stolen_ns=0)


def send(writer: Writer, post: int, count: int, *, first: int, every: int, planned: bool = False) -> list[str]:
    """Record `count` sends: one each `every` ns from `first`, each published 1 ms after it was sent, 2 ms late."""
    make = task_ids("abcdef01", post, 0)
    kind = writer.kind("app.noop", "bench.a")
    ids = [make() for _ in range(count)]
    for i, task_id in enumerate(ids):
        words, base = writer.claim_send(task_id, kind)
        words[base + record.SENT] = first + i * every
        words[base + record.PUBLISHED] = first + i * every + MS
        if planned:
            words[base + record.PLANNED] = first + i * every - 2 * MS
    return ids


def finish(writer: Writer, ids: list[str], ends: list[int], outcome: str = "succeeded") -> None:
    kind = writer.kind("app.noop", "bench.a")
    for task_id, end in zip(ids, ends, strict=True):
        words, base = writer.claim_run(task_id, kind)
        words[base + record.STARTED] = end - 1
        words[base + record.OUTCOME] = record.OUTCOME_CODE[outcome]
        words[base + record.FINISHED] = end


@pytest.fixture
def ledger(tmp_path: Path) -> tuple[Path, Writer, Writer]:
    return tmp_path, Writer(tmp_path, "generator"), Writer(tmp_path, "worker")


def tasks_of(directory: Path) -> Tasks:
    return build(read_ledger(directory))


def test_rates_and_cpu_of_a_backlog(ledger: tuple[Path, Writer, Writer]) -> None:
    directory, generator, worker = ledger
    ids = send(generator, post_number(TURN, BACKLOG), 101, first=1000 * MS, every=4 * MS)
    finish(worker, ids, [2000 * MS + i * 5 * MS for i in range(101)])
    values = backlog_values(TURN, {BACKLOG: phase(101), DRAIN: phase(202)}, tasks_of(directory))
    assert values["publish_rate"] == pytest.approx(101 / 0.401)  # 100 gaps of 4 ms and the last publish of 1 ms
    assert values["execution_rate"] == pytest.approx(200)  # 100 gaps of 5 ms between 101 ends
    assert values["worker_cpu"] == pytest.approx(3)
    assert values["total_cpu"] == pytest.approx(12)


def test_percentiles_count_from_the_planned_time(ledger: tuple[Path, Writer, Writer]) -> None:
    directory, generator, worker = ledger
    ids = send(generator, post_number(TURN, PACED), 100, first=1000 * MS, every=10 * MS, planned=True)
    # Task i ends i + 1 ms after it was sent, which was 2 ms after its time.
    finish(worker, ids, [1000 * MS + i * 10 * MS + (i + 1) * MS for i in range(100)])
    values = paced_values(TURN, tasks_of(directory), ONE, 1)
    assert (values["p50"], values["p95"], values["p99"]) == pytest.approx((52, 97, 101))
    assert values["offered_rate"] == pytest.approx(100)
    assert values["lag_p99"] == pytest.approx(2)


def test_every_measure_comes_from_one_of_the_two(ledger: tuple[Path, Writer, Writer]) -> None:
    directory, generator, worker = ledger
    for name in (BACKLOG, PACED):
        ids = send(generator, post_number(TURN, name), 10, first=1000 * MS, every=MS, planned=name == PACED)
        finish(worker, ids, [2000 * MS + i * MS for i in range(10)])
    tasks = tasks_of(directory)
    values = backlog_values(TURN, {BACKLOG: phase(1), DRAIN: phase(1)}, tasks) | paced_values(TURN, tasks, ONE, 1)
    others = {"broker_bytes", "results_bytes", "broker_operations", "worker_memory", "broker_memory", GOAL_RATE}
    assert values.keys() >= MEASURES.keys() - others


def test_percentiles_by_kind_follow_the_sequence_that_the_ids_count(ledger: tuple[Path, Writer, Writer]) -> None:
    directory, generator, worker = ledger
    kinds = (Kind(task="app.noop", name="short", share=0.9), Kind(task="app.noop", name="long", share=0.1))
    drawn = list(islice(sequence([0.9, 0.1], 7), 200))
    ids = send(generator, post_number(TURN, PACED), 200, first=1000 * MS, every=MS, planned=True)
    # A short task ends 1 ms after it was sent, which was 2 ms after its time; a long one takes 50 ms.
    finish(worker, ids, [1000 * MS + i * MS + (50 if drawn[i] else 1) * MS for i in range(200)])
    values = paced_values(TURN, tasks_of(directory), Load(kinds=kinds), 7)
    assert (values["p50.short"], values["p99.short"]) == pytest.approx((3, 3))
    assert (values["p50.long"], values["p99.long"]) == pytest.approx((52, 52))
    assert (values["p50"], values["p95"]) == pytest.approx((3, 52))


def test_a_kind_of_which_nothing_was_sent_has_no_percentiles(ledger: tuple[Path, Writer, Writer]) -> None:
    directory, generator, worker = ledger
    kinds = (Kind(task="app.noop", name="short", share=0.999), Kind(task="app.noop", name="rare", share=0.001))
    ids = send(generator, post_number(TURN, PACED), 3, first=1000 * MS, every=MS, planned=True)
    finish(worker, ids, [2000 * MS] * 3)
    values = paced_values(TURN, tasks_of(directory), Load(kinds=kinds), 1)
    assert "p50.short" in values
    assert "p50.rare" not in values


def test_a_generator_that_falls_behind_shows_in_the_achieved_rate() -> None:
    planned = np.arange(1, 101) * 10 * MS
    stretched = planned[0] + (planned - planned[0]) * 2
    values = pacing(planned, stretched)
    assert values["offered_rate"] == pytest.approx(100)
    assert values["achieved_rate"] == pytest.approx(50)


def test_other_turns_and_phases_are_left_out(ledger: tuple[Path, Writer, Writer]) -> None:
    directory, generator, worker = ledger
    for number in (TURN, TURN + 1):
        for name in (WARM, BACKLOG, PACED):
            send(generator, post_number(number, name), 3, first=1000 * MS, every=MS)
    finish(worker, ["00000000-0000-4000-8000-000000000000"], [5])
    tasks = tasks_of(directory)
    assert in_turn(tasks, post_number(TURN, BACKLOG)).sum() == 3
    assert in_turn(tasks, 999).sum() == 0


def test_too_few_executions_are_an_error_and_not_a_number(ledger: tuple[Path, Writer, Writer]) -> None:
    directory, generator, worker = ledger
    ids = send(generator, post_number(TURN, BACKLOG), 5, first=1000 * MS, every=MS)
    finish(worker, ids[:1], [2000 * MS])
    with pytest.raises(ValueError, match="1 of 5 backlog tasks finished"):
        backlog_values(TURN, {BACKLOG: phase(1), DRAIN: phase(1)}, tasks_of(directory))
    with pytest.raises(ValueError, match="0 tasks of the paced load finished"):
        paced_values(TURN, tasks_of(directory), ONE, 1)


def test_watch_counts_ends_of_one_post_only(ledger: tuple[Path, Writer, Writer]) -> None:
    directory, generator, worker = ledger
    watch = Watch(directory)
    first = send(generator, post_number(TURN, WARM), 700, first=1000 * MS, every=MS)  # more than one segment
    other = send(generator, post_number(TURN, BACKLOG), 3, first=1000 * MS, every=MS)
    assert watch.finished(post_number(TURN, WARM)) == 0
    finish(worker, first[:600], [1] * 600)
    finish(worker, other, [1] * 3)
    assert watch.finished(post_number(TURN, WARM)) == 600
    assert watch.finished(post_number(TURN, BACKLOG)) == 3


def test_watch_forgets_what_was_claimed_before_its_mark(ledger: tuple[Path, Writer, Writer]) -> None:
    directory, generator, worker = ledger
    watch = Watch(directory)
    ids = send(generator, 7, 20, first=1000 * MS, every=MS)
    finish(worker, ids[:15], [1] * 15)
    watch.mark()
    assert watch.finished(7) == 0
    finish(worker, ids[15:], [1] * 5)
    assert watch.finished(7) == 5


def test_watch_does_not_take_a_retry_for_an_end(ledger: tuple[Path, Writer, Writer]) -> None:
    directory, generator, worker = ledger
    watch = Watch(directory)
    ids = send(generator, 7, 4, first=1000 * MS, every=MS)
    finish(worker, ids, [1] * 4, outcome="retried")
    assert watch.finished(7) == 0
    finish(worker, ids, [2] * 4)
    assert watch.finished(7) == 4


@pytest.mark.parametrize(("rate", "users"), [(1, 20), (200, 20), (201, 21), (1270.4, 128), (5000, 500), (9e9, 500)])
def test_a_paced_load_has_as_many_users_as_arrive_in_a_tenth_of_a_second(rate: float, users: int) -> None:
    assert paced_users(rate) == users
