"""The rounds of a run: which count, which are taken again, when it may stop; the rate and what idling costs."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_up
import pytest
import spoiled

from rig.experiment import result
from rig.experiment import run as running
from rig.experiment.judge import gate
from rig.experiment.judge.ratios import compare, ratio_of
from rig.experiment.progress import Progress
from rig.experiment.result import Result
from rig.experiment.run import RATE_TURNS, Run
from rig.experiment.turn import PARTS, Turn
from rig.stack.paths import Checkout
from rig.testbed import containers
from rig.testbed.cgroups import Reading

MADE = made_up.result(rounds=12)
NAMES = list(MADE.cells)


class Simulated(Run):
    """A run whose turns are made up: those of `made`, again from its first round on for rounds beyond its last."""

    made: Result = MADE
    spoil: Callable[[Turn], Turn] = staticmethod(lambda turn: turn)  # type: ignore[assignment]

    def _new_processes(self, title: str, order: Sequence[str], _watches: Any) -> None:
        self.orders_begun = [*getattr(self, "orders_begun", []), (title, list(order))]

    def _measure_idle(self, when: str) -> None:
        pass

    def _turn(self, index: int, place: int, name: str) -> Turn:
        rounds = len(self.made.orders)
        like = next(turn for turn in self.made.turns if (turn.round, turn.cell) == ((index - 1) % rounds + 1, name))
        return type(self).spoil(replace(like, round=index, place=place, number=self._next_number()))


def simulated(
    tmp_path: Path, *, made: Result = MADE, begun_with: int = 0, spoil: Any = None, **changes: Any
) -> Simulated:
    """Make a run that has done some rounds; it measures nothing and takes no time."""
    turns = [turn for turn in made.turns if turn.round <= begun_with]
    started = spoiled.experiment(replace(made, turns=turns, rate=0.0), **changes)
    kind = type("Simulated", (Simulated,), {"made": made, **({"spoil": staticmethod(spoil)} if spoil else {})})
    run: Simulated = kind(
        checkout=Checkout(root=tmp_path, settings={}), directory=tmp_path, project="", result=started,
        cells=[SimpleNamespace(name=name, ledger=tmp_path) for name in NAMES], progress=Progress(1, 1.0),
    )  # fmt: skip
    return run


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, and no containers to restart."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(containers, "restart", lambda _: None)


def ended(run: Simulated) -> Result:
    run._measure({})
    assert result.load(run.directory).left_out == run.result.left_out
    return run.result


@pytest.mark.parametrize(("stop_at", "rounds"), [(0.0, 12), (0.1, 12), (50.0, 6)])
def test_a_run_ends_when_its_interval_is_narrow_and_says_so(tmp_path: Path, stop_at: float, rounds: int) -> None:
    found = ended(simulated(tmp_path, stop_at=stop_at))
    assert len(found.whole_rounds) == rounds
    assert bool(found.stopped) == (rounds < 12)
    assert gate.check(found) == []


def half_width(made: Result, rounds: int) -> float:
    """Return the judged interval's half-width after so many rounds, in percent, for a run that may stop early."""
    own = [turn for turn in made.turns if turn.round <= rounds]
    ratio = ratio_of(compare([spoiled.experiment(replace(made, turns=own), stop_at=1)]), "execution_rate", "ignored")
    assert ratio is not None
    return 100 * (math.sqrt(ratio.high / ratio.low) - 1)


def test_the_early_stop_waits_for_the_interval_and_for_the_pair_of_orders(tmp_path: Path) -> None:
    """The seventh round is the first after which the interval is narrow enough, and the eighth ends its pair."""
    for seed in range(100):
        made = made_up.result(rounds=12, seed=seed)
        if half_width(made, 6) > half_width(made, 7) > half_width(made, 8):
            break
    found = ended(simulated(tmp_path, made=made, stop_at=(half_width(made, 6) + half_width(made, 7)) / 2))
    assert len(found.whole_rounds) == 8
    assert "after 8 rounds" in found.stopped


def test_a_continued_run_does_the_rounds_that_are_missing_and_no_others(tmp_path: Path) -> None:
    run = simulated(tmp_path, begun_with=5)
    assert ended(run).whole_rounds == list(range(1, 13))
    assert [title for title, _ in run.orders_begun] == ["warm-up", *(f"round {n}/12" for n in range(6, 13))]


def busy(*rounds: int, share: float = 0.6, cell: str = "") -> Callable[[Turn], Turn]:
    """Let others use a share of the machine in some rounds."""

    def spoil(turn: Turn) -> Turn:
        if turn.round not in rounds or cell not in ("", turn.cell):
            return turn
        phases = {
            name: replace(phase, host_ns=phase.host_ns + round(share * 2e9 * phase.seconds))
            for name, phase in turn.phases.items()
        }
        return replace(turn, phases=phases, foreign=max(phase.foreign_share(2) for phase in phases.values()))

    return spoil


def test_a_disturbed_round_is_left_out_as_a_whole_and_its_order_taken_again_at_the_end(tmp_path: Path) -> None:
    run = simulated(tmp_path, spoil=busy(3))
    found = ended(run)
    assert found.left_out.keys() == {3}
    assert found.left_out[3].startswith("others used 6")
    assert found.whole_rounds == [1, 2, *range(4, 14)]
    assert [turn.round for turn in found.turns if turn.discarded] == [3, 3, 3]
    assert found.orders == [*MADE.orders, MADE.orders[2]]
    assert run.orders_begun[-1] == ("round 13/13", MADE.orders[2])
    assert gate.check(found) == []


def test_an_uneven_load_spoils_a_round_and_an_even_one_as_large_does_not(tmp_path: Path) -> None:
    assert ended(simulated(tmp_path, spoil=busy(3, share=0.3, cell="ignored"))).left_out.keys() == {3}
    assert ended(simulated(tmp_path, spoil=busy(3, share=0.3))).left_out == {}


def test_rounds_are_taken_again_in_a_quarter_of_the_rounds_and_no_more(tmp_path: Path) -> None:
    found = ended(simulated(tmp_path, spoil=busy(1, 2, 3, 4, 5)))
    assert len(found.orders) == 15
    assert found.orders[12:] == MADE.orders[:3]
    assert (len(found.whole_rounds), len(found.left_out)) == (10, 5)
    hopeless = ended(simulated(tmp_path, spoil=busy(*range(99))))
    assert (len(hopeless.whole_rounds), len(hopeless.left_out)) == (0, 15)
    assert "15 of 15 rounds had to be left out" in gate.check(hopeless)[0].reason


def test_what_was_measured_does_not_decide_whether_a_round_is_left_out(tmp_path: Path) -> None:
    def odd(turn: Turn) -> Turn:
        return replace(turn, values={**turn.values, "execution_rate": 1.0}) if turn.round == 3 else turn

    assert ended(simulated(tmp_path, spoil=odd)).left_out == {}


def test_the_rate_is_a_share_of_the_slowest_cell_over_several_warm_up_turns(tmp_path: Path) -> None:
    rates = {"stored": [900.0, 1100.0], "ignored": [2000.0, 1900.0], "control": [800.0, 1250.0]}

    def warm(turn: Turn) -> Turn:
        if turn.round:
            return turn
        return replace(turn, values={"execution_rate": rates[turn.cell][turn.number // 3]})

    run = simulated(tmp_path, spoil=warm)
    run._warm_up({})
    assert run.result.rate == pytest.approx(MADE.experiment.load.share * math.sqrt(900 * 1100))
    assert [turn.cell for turn in run.result.turns] == NAMES * RATE_TURNS
    assert run.result.counted == []


def test_a_rate_that_the_file_names_or_an_earlier_life_had_is_kept(tmp_path: Path) -> None:
    load = replace(MADE.experiment.load, rate=321.0)
    run = simulated(tmp_path, load=load)
    run._warm_up({})
    assert (run.result.rate, len(run.result.turns)) == (321.0, 3)
    run = simulated(tmp_path)
    run.result = replace(run.result, rate=77.0)
    run._warm_up({})
    assert (run.result.rate, len(run.result.turns)) == (77.0, 3)


@pytest.mark.parametrize(("asked", "paced", "turns"), [(690.0, 690.0, 3), (710.0, 300.0, 6)])
def test_a_rate_that_is_too_much_for_the_machine_gives_way_to_a_share(
    tmp_path: Path, asked: float, paced: float, turns: int
) -> None:
    def warm(turn: Turn) -> Turn:
        return replace(turn, values={"execution_rate": 1000.0 if turn.cell == "stored" else 2000.0})

    run = simulated(tmp_path, spoil=warm, load=replace(MADE.experiment.load, rate=asked, share=0.3))
    run._warm_up({})
    assert (run.result.rate, len(run.result.turns)) == (pytest.approx(paced), turns)


def test_idle_costs_are_microseconds_a_second_of_every_part_of_every_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "IDLE_S", 0.0)
    run = simulated(tmp_path)
    for name in NAMES:
        used = {"publisher": 1_000_000, "broker": 8_000_000, "worker": 4_000_000, "results": 0}
        readings = iter(
            [
                Reading(at_ns=0, cpu_ns=dict.fromkeys(used, 0), host_ns=0, stolen_ns=0),
                Reading(at_ns=2_000_000_000, cpu_ns=used, host_ns=33_000_000, stolen_ns=0),
            ]
        )
        run.stations[name] = SimpleNamespace(running=SimpleNamespace(read=lambda readings=readings: next(readings)))  # type: ignore[assignment]
    Run._measure_idle(run, "before")
    wanted = {"publisher": 500, "broker": 4000, "worker": 2000, "results": 0, "other": 10000}
    assert run.result.idle["before"] == dict.fromkeys(NAMES, wanted)
    assert wanted.keys() == {*PARTS}


def test_a_run_with_a_round_to_take_again_does_not_stop_early(tmp_path: Path) -> None:
    """Without the partner of its mirrored order what drifts within a round would not cancel."""
    found = ended(simulated(tmp_path, stop_at=50.0, spoil=busy(2)))
    assert (found.stopped, len(found.whole_rounds)) == ("", 12)


def test_a_run_that_ends_before_a_round_was_taken_again_has_ended_before_its_time(tmp_path: Path) -> None:
    found = ended(simulated(tmp_path, spoil=busy(2)))
    killed = replace(found, turns=[turn for turn in found.turns if turn.round <= 12])
    assert gate.check(killed)[0].reason == "incomplete: stopped after 11 of 12 rounds (rig was killed)"
