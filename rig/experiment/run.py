"""Runs an experiment: stack up, a discarded warm-up round, the rounds, the account, and always the stack down again.

A run that is continued does the same with the rounds that are missing.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from rig.errors import StackError
from rig.experiment import bench, interrupts, result
from rig.experiment.account import account_for
from rig.experiment.cells import Cell
from rig.experiment.compare import compare, percent, ratio_of
from rig.experiment.environment import describe
from rig.experiment.lives import add_up
from rig.experiment.measure import GOAL_RATE, backlog_values, named, paced_values
from rig.experiment.plan import may_stop, narrow_enough
from rig.experiment.progress import Progress
from rig.experiment.record import FOREIGN_LIMIT, Phase, Sent, Turn
from rig.experiment.result import Result
from rig.experiment.search import search
from rig.experiment.turn import Station, between
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from rig.stack.paths import Checkout
from rig.stack.start import say

WARM_UP = "warm-up round"
TRIES = 3  # for a turn that others disturb
IDLE_S = 2.0  # how long the idle costs are measured


@dataclass(kw_only=True)
class Run:
    """One run. `result` is replaced by a fuller one after each turn, and saved after each round."""

    checkout: Checkout
    directory: Path
    project: str
    result: Result
    cells: Sequence[Cell]
    progress: Progress
    sites: list[bench.Site] = field(default_factory=list)
    stations: dict[str, Station] = field(default_factory=dict)
    warmed: dict[str, Sent] = field(default_factory=dict)  # what a cell's turn shall count as sent besides its own
    turns_begun: int = 0  # the next turn's number
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def execute(self) -> None:
        """Everything from pre-flight to account. Raises what went wrong; the stack is down again in any case."""
        try:
            self.sites = bench.prepare(self.checkout, self.cells, self.directory, self.project, self.result.run)
            bench.bring_up(self.sites)
            self.progress.begin()
            try:
                self._measure()
            except StackError:
                with suppress(StackError):
                    self._account()  # what became of the tasks is the best hint at what went wrong
                raise
            self._account()
        finally:
            self.progress.clear()
            with interrupts.ignored():
                for problem in bench.tear_down(self.sites, self.directory / "logs"):
                    say(problem)

    def _measure(self) -> None:
        self._warm_up()
        self._measure_idle()
        done = len(self.result.whole_rounds)
        for index, order in enumerate(self.result.orders[done:], start=done + 1):
            self._round(index, order)
            if index < self.result.experiment.rounds and may_stop(index) and (why := self._narrow()):
                self.result = replace(self.result, stopped=why)
                break

    def _narrow(self) -> str:
        """Say that the judged interval is as narrow as was asked for, where it is."""
        wanted, limit = self.result.experiment.expectation, self.result.experiment.stop_at
        ratio = ratio_of(compare(self.result), wanted.measure, wanted.variant)
        if not limit or ratio is None or not narrow_enough(ratio, limit):
            return ""
        title, half = named(wanted.measure).title, percent(math.sqrt(ratio.high / ratio.low) - 1)
        return f"the interval of {title} was ±{half}% after {ratio.pairs} rounds, and {limit:g}% was asked for"

    def _warm_up(self) -> None:
        """Round 0: one backlog a cell, from which comes the one rate at which every cell will be paced.

        A run that is continued keeps its rate: here it only makes the new broker as warm as the old one was.
        """
        order = [cell.name for cell in self.cells]
        self._new_processes(WARM_UP, order)
        capacities = []
        for place, name in enumerate(order):
            turn = self._turn(0, place, name)
            capacities.append(turn.values["execution_rate"])
            self._add(turn)
            self.progress.turn_done()
        rate = self.result.rate or self.result.experiment.load.share * min(capacities)
        self.result = replace(self.result, rate=rate)
        self._save()

    def _round(self, index: int, order: Sequence[str]) -> None:
        title = f"round {index}/{self.result.experiment.rounds}"
        self.progress.round(title)
        bench.restart([station.running for station in self.stations.values()])
        self._new_processes(title, order)
        for place, name in enumerate(order):
            self._undisturbed_turn(index, place, name)
        self._save()

    def _new_processes(self, title: str, order: Sequence[str]) -> None:
        """Find the processes that every cell has now, and warm each up with its turn's first load.

        Each round has new ones. Two processes of the same code differ in speed by some percent for as long as they
        live, by where memory and hashes happen to fall. New processes turn that into noise between rounds, which the
        intervals cover; old ones would make it a bias that no number of rounds can remove.
        """
        self.progress.turn(f"{title}  new processes")
        for running in bench.attach(self.sites):
            self.stations[running.cell.name] = Station(running, self.result.experiment.load, self.progress.phase)
        for place, name in enumerate(order):
            self.warmed[name] = self.stations[name].warm(self.turns_begun + place)

    def _undisturbed_turn(self, index: int, place: int, name: str) -> None:
        """Put one turn on a cell, and again when others used too much of the machine meanwhile.

        What others used decides, never what was measured. Bounded: on a machine that is always busy the last try counts
        and the report says so.
        """
        spare = len(self.cells) * self.result.experiment.rounds // 4 - sum(turn.discarded for turn in self.result.turns)
        for left in reversed(range(min(TRIES, spare + 1))):
            turn = self._turn(index, place, name)
            again = left > 0 and turn.foreign > FOREIGN_LIMIT
            self._add(replace(turn, discarded=again))
            if not again:
                break
        self.progress.turn_done()

    def _turn(self, index: int, place: int, name: str) -> Turn:
        """Put one turn on a cell; in round 0 without the paced load."""
        title = f"round {index}/{self.result.experiment.rounds}" if index else WARM_UP
        self.progress.turn(f"{title}  {name} ({place + 1} of {len(self.cells)})")
        station, number, seed = self.stations[name], self._next_number(), self.result.seed + index
        measured = station.drain(number, seed)
        phases, sent, values = measured.phases, self.warmed.pop(name, {}) | measured.sent, dict(measured.values)
        if index:
            paced = station.pace(number, self.result.rate, seed)
            phases, sent = phases | paced.phases, sent | paced.sent
        values |= self._values(index, station, number, phases)
        if index and (goal := self.result.experiment.load.goal):
            self.progress.phase("search")
            rate, probes = search(station, goal, values["execution_rate"], self._next_number, seed)
            values, sent = values | {GOAL_RATE: rate}, sent | probes
        foreign = max(phase.foreign_share(os.cpu_count() or 1) for phase in phases.values())
        return Turn(
            round=index, place=place, cell=name, number=number, phases=phases, sent=sent, values=values, foreign=foreign
        )

    def _values(self, index: int, station: Station, number: int, phases: Mapping[str, Phase]) -> dict[str, float]:
        """Return what the ledger and the counters show of turn `number`. StackError where too little was executed."""
        try:
            tasks = build(read_ledger(station.running.cell.ledger))
            values = backlog_values(number, phases, tasks)
            if index:
                values |= paced_values(number, tasks, self.result.experiment.load, self.result.seed + index)
        except ValueError as error:
            raise StackError(f"{station.running.cell.name}: {error}") from error
        return values

    def _next_number(self) -> int:
        self.turns_begun += 1
        return self.turns_begun - 1

    def _add(self, turn: Turn) -> None:
        self.result = replace(self.result, turns=[*self.result.turns, turn])

    def _measure_idle(self) -> None:
        """What each component uses while nothing is sent: it is part of every number, and so it is told."""
        self.progress.turn("idle costs")
        self.progress.phase("")
        running = self.stations[self.result.experiment.baseline.name].running
        before = running.read()
        time.sleep(IDLE_S)
        idle = between(before, running.read())
        micros = {name: cpu_ns / 1e3 / idle.seconds for name, cpu_ns in idle.cpu_ns.items()}
        self.result = replace(self.result, idle=micros)

    def _account(self) -> None:
        self.progress.turn("accounting for every task")
        self.progress.phase("")
        running = [station.running for station in self.stations.values()]
        own = self.result.turns[self.result.earlier[-1].turns if self.result.earlier else 0 :]
        *drawn, versions = account_for(running, own)
        accounts, counts = add_up(self.result.earlier, *drawn)
        segments = [segment for cell in self.cells for segment in read_ledger(cell.ledger).segments]
        environment = describe(self.checkout.root, self.sites, versions, self.load_before, segments)
        self.result = replace(self.result, accounts=accounts, counts=counts, environment=environment)
        self._save()

    def _save(self) -> None:
        result.save(self.result, self.directory)
