"""What is kept of a run that was interrupted, and how its next session carries on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import pytest
from topologies import TOPOLOGIES

from rig.errors import BadInput
from rig.experiment import launch, result, sessions
from rig.experiment.file.spec import Goal, Load
from rig.experiment.judge import gate
from rig.experiment.result import Result
from rig.experiment.run import RATE_TURNS
from rig.experiment.turn import BACKLOG, NUMBERS_A_TURN, PACED, Turn, post_number
from rig.ledger import layout
from rig.ledger.account import account
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from rig.ledger.writer import Writer
from rig.load.ids import MAX_TURN, task_ids
from rig.stack.paths import Checkout

TASKS = 10  # of each phase
ROUNDS = 3  # whole ones of the session that ended


def write_round(directory: Path, number: int, *, finished: int = TASKS) -> dict[str, Any]:
    """Record a turn's backlog and paced load in segments of its own; what the generator would have answered."""
    directory.mkdir(parents=True, exist_ok=True)
    generator, worker = Writer(directory, "generator"), Writer(directory, "worker")
    sent = {}
    for phase in (BACKLOG, PACED):
        post = post_number(number, phase)
        make = task_ids("abcdef01", post, 0)
        for index in range(TASKS):
            task_id = make()
            words, base = generator.claim_send(task_id, generator.kind("app.noop", "bench.a"))
            words[base + layout.SENT] = words[base + layout.PUBLISHED] = 1_000 + index
            if index < finished:
                words, base = worker.claim_run(task_id, worker.kind("app.noop", "bench.a"))
                words[base + layout.STARTED] = words[base + layout.FINISHED] = 2_000 + index
                words[base + layout.OUTCOME] = layout.OUTCOME_CODE["succeeded"]
        sent[phase] = {**made_up.ANSWER, "turn": post, "locust": {"requests": TASKS, "failures": 0}}
    return sent


@pytest.fixture
def killed(tmp_path: Path) -> Result:
    """A run of eight rounds that was killed in its fourth, when two cells had had their turns in it."""
    made = made_up.result()
    turns: list[Turn] = []
    for number, turn in enumerate(made.turns[: 3 * ROUNDS + 2]):
        finished = TASKS if turn.round <= ROUNDS else 4
        sent = write_round(tmp_path / "ledger" / turn.cell, number, finished=finished)
        turns.append(replace(turn, number=number, sent=sent))
    (tmp_path / "logs").mkdir()
    dead = replace(made, turns=turns, accounts={}, counts={}, environment={})
    result.save(dead, tmp_path)
    return dead


def torn(tmp_path: Path, which: int) -> None:
    """Cut off the end of one of a cell's segments."""
    cells = sorted((tmp_path / "ledger" / "stored").glob("worker*.led"), key=lambda path: path.stat().st_mtime_ns)
    cells[which].write_bytes(cells[which].read_bytes()[:-64])


def test_whole_rounds_are_kept_and_accounted_for_and_half_sent_tasks_are_not_lost(
    tmp_path: Path, killed: Result
) -> None:
    again = sessions.close_session(killed, tmp_path)
    (session,) = again.earlier
    assert (session.ended, session.rounds, session.turns) == ("rig was killed", ROUNDS, 3 * ROUNDS)
    assert again.whole_rounds == [1, 2, 3]
    assert {turn.round for turn in again.turns} == {1, 2, 3}
    for cell in again.cells:
        seen = session.accounts[cell]
        assert seen["sent"] == seen["executed"] == ROUNDS * 2 * TASKS
        assert not any(seen[what] for what in ("lost", "unexpected", "duplicated", "invalid"))
        wanted = {gate.IN_LEDGER: ROUNDS * 2 * TASKS, gate.BY_LOCUST: ROUNDS * 2 * TASKS}
        assert session.counts[f"{cell}, session 1"] == wanted
    whole = read_ledger(tmp_path / "earlier-1" / "ledger" / "stored")
    assert account(build(whole), whole).lost  # kept raw: what the killed turn left is there for who wants to look


def test_everything_of_the_ended_life_is_moved_aside_once(tmp_path: Path, killed: Result) -> None:
    first = sessions.close_session(killed, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["earlier-1", "result.json"]
    assert sessions.close_session(killed, tmp_path) == first  # killed again before the new result was saved


def test_a_segment_torn_in_the_turn_that_was_killed_does_no_harm(tmp_path: Path, killed: Result) -> None:
    cell = killed.turns[-1].cell
    paths = sorted((tmp_path / "ledger" / cell).glob("worker*.led"), key=lambda path: path.stat().st_mtime_ns)
    paths[-1].write_bytes(paths[-1].read_bytes()[:-64])
    assert sessions.close_session(killed, tmp_path).earlier[0].accounts[cell]["invalid"] == []


def test_a_segment_torn_in_a_round_that_counts_is_told(tmp_path: Path, killed: Result) -> None:
    torn(tmp_path, 0)
    (problem,) = sessions.close_session(killed, tmp_path).earlier[0].accounts["stored"]["invalid"]
    assert "truncated" in problem


def test_a_life_survives_its_way_through_the_file_and_lives_add_up(tmp_path: Path, killed: Result) -> None:
    again = sessions.close_session(killed, tmp_path)
    result.save(again, tmp_path)
    assert result.load(tmp_path).earlier == again.earlier
    last = {cell: dict(made_up.ACCOUNT, lost=["x"]) for cell in again.cells}
    accounts, counts = sessions.add_up(again.earlier, last, {"stored": made_up.COUNTS})
    assert accounts["ignored"]["sent"] == made_up.ACCOUNT["sent"] + ROUNDS * 2 * TASKS
    assert accounts["ignored"]["lost"] == ["x"]
    assert list(counts) == ["stored", *(f"{cell}, session 1" for cell in again.cells)]


def test_the_ledgers_of_all_lives_lie_together_for_whoever_reads_the_run(tmp_path: Path, killed: Result) -> None:
    again = sessions.close_session(killed, tmp_path)
    write_round(tmp_path / "ledger" / "stored", 90)
    assert len(build(sessions.ledgers(again, tmp_path)["stored"])) == 2 * TASKS * (ROUNDS + 2)


def checkout(tmp_path: Path) -> Checkout:
    return Checkout(root=tmp_path, settings={})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: replace(run, stopped="narrow enough"), "none of its rounds is missing"),
        (lambda run: replace(run, turns=made_up.result().turns), "none of its rounds is missing"),
        (lambda run: run, "is gone"),
    ],
)
def test_a_run_that_cannot_be_continued_is_refused_in_a_line_and_left_as_it_is(
    tmp_path: Path, killed: Result, spoil: Any, said: str
) -> None:
    result.save(spoil(killed), tmp_path)
    with pytest.raises(BadInput, match=said) as refusal:
        launch.resume(tmp_path, None, checkout(tmp_path / "checkout"))
    assert len(refusal.value.problems) == 1
    assert (tmp_path / "ledger").exists()


def test_a_file_that_says_something_else_by_now_is_refused(tmp_path: Path, killed: Result) -> None:
    other = replace(killed.experiment, load=replace(killed.experiment.load, backlog=7))
    with pytest.raises(BadInput, match="says something else by now"):
        launch.resume(tmp_path, other, checkout(tmp_path / "checkout"))


def test_the_next_session_begins_with_numbers_that_the_killed_one_cannot_have_used(
    tmp_path: Path, killed: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkout, "topologies", lambda _: TOPOLOGIES)
    run = launch._run(checkout(tmp_path), sessions.close_session(killed, tmp_path), tmp_path)
    assert run.turns_begun > max(turn.number for turn in killed.turns)


def test_rounds_and_probes_that_task_ids_have_no_room_for_are_refused() -> None:
    """A round has a number for each of its cells' phases; a quarter of the rounds may be taken again."""
    made = replace(made_up.result(), turns=[])

    def room(rounds: int, load: Load = made.experiment.load, begun: int = 0) -> None:
        launch._room(replace(made, experiment=replace(made.experiment, rounds=rounds, load=load)), begun)

    def needed(rounds: int) -> int:
        return (rounds + rounds // 4 + RATE_TURNS) * len(made.cells) * NUMBERS_A_TURN

    most = next(rounds for rounds in range(MAX_TURN, 0, -1) if needed(rounds) <= MAX_TURN)
    room(most)
    with pytest.raises(BadInput, match="more than task ids have room for"):
        room(most + 1)
    with pytest.raises(BadInput, match="more than task ids have room for"):
        room(most, begun=len(made.cells) * 3)
    with pytest.raises(BadInput, match="more than task ids have room for"):
        room(most // 2, replace(made.experiment.load, goal=Goal(percentile=99, ms=50)))
