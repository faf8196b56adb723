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

from rig import stats
from rig.errors import StackError
from rig.experiment import result
from rig.experiment.account import account_for
from rig.experiment.judge.ratios import compare, percent, ratio_of
from rig.experiment.measure import GOAL_RATE, backlog_values, named, paced_values
from rig.experiment.plan import may_stop, narrow_enough
from rig.experiment.progress import Progress
from rig.experiment.result import Result
from rig.experiment.search import search
from rig.experiment.sessions import add_up
from rig.experiment.station import Measured, Station, between
from rig.experiment.turn import FOREIGN_LIMIT, PACED, PARTS, UNEVEN_LIMIT, Sent, Turn
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from rig.stack.paths import Checkout
from rig.stack.start import say
from rig.testbed import containers, interrupts
from rig.testbed.cells import Cell
from rig.testbed.environment import describe
from rig.testbed.watch import Watch

WARM_UP = "warm-up"
RATE_TURNS = 2  # of each cell in the warm-up, where they are to tell the paced rate
TOO_MUCH = 0.7  # share of what the slowest cell drains at which a paced load of no-ops begins to be a queue
IDLE_S = 10.0  # how long idle costs are measured, before the rounds and after them: RabbitMQ's statistics interval


@dataclass(kw_only=True)
class Run:
    """One run. `result` is replaced by a fuller one after each turn, and saved after each round."""

    checkout: Checkout
    directory: Path
    project: str
    result: Result
    cells: Sequence[Cell]
    progress: Progress
    sites: list[containers.Site] = field(default_factory=list)
    stations: dict[str, Station] = field(default_factory=dict)
    warmed: dict[str, Sent] = field(default_factory=dict)  # what a cell's turn shall count as sent besides its own
    turns_begun: int = 0  # the next turn's number
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def execute(self) -> None:
        """Everything from pre-flight to account. Raises what went wrong; the stack is down again in any case."""
        try:
            self.progress.stage("images and secrets")
            self.sites = containers.prepare(self.checkout, self.cells, self.directory, self.project, self.result.run)
            watches = self._watches()
            self.progress.stage("starting broker, result store, workers and generators")
            containers.bring_up(self.sites)
            try:
                self._measure(watches)
            except StackError:
                with suppress(StackError):
                    self._account()  # what became of the tasks is the best hint at what went wrong
                raise
            self._account()
        finally:
            self.progress.clear()
            with interrupts.ignored():
                for problem in containers.tear_down(self.sites, self.directory / "logs"):
                    say(problem)

    def _watches(self) -> dict[str, Watch]:
        """Return a watch for each cell, to be made before its next processes start."""
        return {cell.name: Watch(cell.ledger) for cell in self.cells}

    def _measure(self, watches: Mapping[str, Watch]) -> None:
        self._warm_up(watches)
        self._measure_idle("before")
        experiment = self.result.experiment
        index = len(self.result.all_rounds)
        while index < len(self.result.orders):
            index += 1
            self._round(index, self.result.orders[index - 1])
            done = len(self.result.whole_rounds)
            # Of a round that was left out the mirrored order has no partner until it is taken again, at the end.
            if not self.result.left_out and done < experiment.rounds and may_stop(done) and (why := self._narrow()):
                self.result = replace(self.result, stopped=why)
                break
        self._measure_idle("after")

    def _narrow(self) -> str:
        """Say that the judged interval is as narrow as was asked for, where it is."""
        wanted, limit = self.result.experiment.expectation, self.result.experiment.stop_at
        ratio = ratio_of(compare([self.result]), wanted.measure, wanted.variant)
        if not limit or ratio is None or not narrow_enough(ratio, limit):
            return ""
        title, half = named(wanted.measure).title, percent(math.sqrt(ratio.high / ratio.low) - 1)
        return f"the interval of {title} was ±{half}% after {ratio.pairs} rounds, and {limit:g}% was asked for"

    def _warm_up(self, watches: Mapping[str, Watch]) -> None:
        """Round 0: backlogs that nothing but the paced rate is taken from, where the file does not name one.

        A rate that the file names and this machine cannot take would make every paced row useless: then the load is a
        share, as where the file names none, and the report says so. A run that is continued keeps its rate: this only
        makes the new broker as warm as the old one was.
        """
        order = [cell.name for cell in self.cells]
        load = self.result.experiment.load
        known = self.result.rate or load.rate
        turns = 1 if known else RATE_TURNS
        self._new_processes(WARM_UP, order, watches)
        capacities: dict[str, list[float]] = {name: [] for name in order}
        while len(capacities[order[-1]]) < turns:
            for place, name in enumerate(order):
                turn = self._turn(0, place, name)
                capacities[name].append(turn.values["execution_rate"])
                self._add(turn)
            slowest = min(stats.geometric_mean(rates) for rates in capacities.values())
            if not self.result.rate and known > TOO_MUCH * slowest:
                known, turns = 0.0, RATE_TURNS
        self.result = replace(self.result, rate=known or load.share * slowest)
        self._save()
        self.progress.rounds_begin()

    def _round(self, index: int, order: Sequence[str]) -> None:
        title = f"round {index}/{len(self.result.orders)}"
        self.progress.round(title)
        watches = self._watches()
        containers.restart([station.running for station in self.stations.values()])
        self._new_processes(title, order, watches)
        for place, name in enumerate(order):
            self._add(self._turn(index, place, name))
        self._leave_out(index)
        self.progress.round_done(len(self.result.orders) - index)
        self._save()

    def _leave_out(self, index: int) -> None:
        """Discard a round in which others used too much of the machine, or not evenly, and take its order again.

        The round, and not one of its turns: a turn taken again would have older processes than its fellows, and another
        machine. What others used decides, never what was measured. Bounded: what cannot be taken again in a quarter of
        the rounds is left out, and the report says so.
        """
        own = [turn for turn in self.result.turns if turn.round == index]
        why = disturbance(own, os.cpu_count() or 1)
        if not why:
            return
        rounds = self.result.experiment.rounds
        turns = [replace(turn, discarded=turn.discarded or turn.round == index) for turn in self.result.turns]
        orders = self.result.orders
        if len(orders) < rounds + max(1, rounds // 4):
            orders = [*orders, orders[index - 1]]
        self.result = replace(
            self.result, turns=turns, orders=orders, left_out={**self.result.left_out, index: why}
        )

    def _new_processes(self, title: str, order: Sequence[str], watches: Mapping[str, Watch]) -> None:
        """Find the processes that every cell has now, and warm each up with its turn's first load.

        Each round has new ones. Two processes of the same code differ in speed by some percent for as long as they
        live, by where memory and hashes happen to fall. New processes turn that into noise between rounds, which the
        intervals cover; old ones would make it a bias that no number of rounds can remove.
        """
        self.progress.turn(f"{title}  new processes")
        load = self.result.experiment.load
        for running in containers.attach(self.sites):
            name = running.cell.name
            self.stations[name] = Station(running, load, self.progress.phase, watches[name])
        for place, name in enumerate(order):
            self.warmed[name] = self.stations[name].warm(self.turns_begun + place, self.result.rate or load.rate)

    def _turn(self, index: int, place: int, name: str) -> Turn:
        """Put one turn on a cell; in round 0 without the paced load."""
        title = f"round {index}/{len(self.result.orders)}" if index else WARM_UP
        self.progress.turn(f"{title}  {name} ({place + 1} of {len(self.cells)})")
        station, number, seed = self.stations[name], self._next_number(), self.result.seed_of(index)
        measured = station.drain(number, seed)
        phases, sent, values = measured.phases, self.warmed.pop(name, {}) | measured.sent, dict(measured.values)
        paced = station.pace(number, self.result.rate, seed) if index else None
        if paced:
            phases, sent = phases | paced.phases, sent | paced.sent
        values |= self._values(station, number, seed, paced)
        if index and (goal := self.result.experiment.load.goal):
            self.progress.phase("search")
            rate, probes = search(station, goal, values["execution_rate"], self._next_number, seed)
            values, sent = values | {GOAL_RATE: rate}, sent | probes
        foreign = max(phase.foreign_share(os.cpu_count() or 1) for phase in phases.values())
        return Turn(
            round=index, place=place, cell=name, number=number, phases=phases, sent=sent, values=values, foreign=foreign
        )

    def _values(self, station: Station, number: int, seed: int, paced: Measured | None) -> dict[str, float]:
        """Return what the ledger shows of turn `number`. StackError where too little was executed."""
        try:
            tasks = build(read_ledger(station.running.cell.ledger))
            values = backlog_values(number, tasks)
            if paced:
                load = self.result.experiment.load
                values |= paced_values(number, tasks, load, seed, paced.window, paced.phases[PACED])
        except ValueError as error:
            raise StackError(f"{station.running.cell.name}: {error}") from error
        return values

    def _next_number(self) -> int:
        self.turns_begun += 1
        return self.turns_begun - 1

    def _add(self, turn: Turn) -> None:
        self.result = replace(self.result, turns=[*self.result.turns, turn])

    def _measure_idle(self, when: str) -> None:
        """What each part of each cell uses while nothing is sent: it is subtracted from costs, and shown."""
        self.progress.stage(f"idle costs, {when} the rounds ({IDLE_S:g} s)")
        running = {name: station.running for name, station in self.stations.items()}
        before = {name: each.read() for name, each in running.items()}
        time.sleep(IDLE_S)
        idle = {name: between(before[name], each.read()) for name, each in running.items()}
        micros = {
            name: {part: phase.used_ns(part) / 1e3 / phase.seconds for part in PARTS} for name, phase in idle.items()
        }
        self.result = replace(self.result, idle={**self.result.idle, when: micros})

    def _account(self) -> None:
        self.progress.stage("accounting for every task")
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


def disturbance(turns: Sequence[Turn], cores: int) -> str:
    """Return why the turns of a round do not compare: others used too much of the machine, or not evenly; else ""."""
    most = max(turn.foreign for turn in turns)
    if most > FOREIGN_LIMIT:
        return f"others used {percent(most)}% of the machine"
    for phase in turns[0].phases:
        shares = [turn.phases[phase].foreign_share(cores) for turn in turns]
        if max(shares) - min(shares) > UNEVEN_LIMIT:
            between = f"{percent(min(shares))}% to {percent(max(shares))}%"
            return f"others used {between} of the machine in its turns ({phase})"
    return ""
