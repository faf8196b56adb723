"""The part `rows`: a worker with nothing attached, and watched in four ways."""

from __future__ import annotations

from dataclasses import asdict

from rig.selfbench import hooks, rows, workers
from rig.selfbench.part import Found, Job
from rig.selfbench.rows import ROWS, Turn

TITLE = "a worker watched in four ways, whole processes: no-op, solo pool, results ignored, RabbitMQ"
# Rounds of one turn a row; tasks of a turn: some seconds' work, since a watcher is scraped once, and Prometheus does
# that every 5 s.
ROUNDS, TASKS = 10, 20_000
# For the hooks' price, of which the part `hooks` takes more.
HOOK_ROUNDS, HOOK_WORKERS = 40, 8


def measure(job: Job) -> Found:
    """Take a turn of every row in each round, in random order."""
    rounds, tasks = (3, 3_000) if job.quick else (ROUNDS, TASKS)
    turns: dict[str, list[Turn]] = {row: [] for row in ROWS}
    with workers.running(job.checkout) as bench:
        for number, order in enumerate(rows.orders(rounds, job.seed), 1):
            for row in order:
                turns[row].append(bench.turn(row, tasks))
            print(f"  round {number} of {rounds}: {', '.join(_shown(row, turns) for row in order)} µs", flush=True)
    own_rounds, own_workers = (15, 2) if job.quick else (HOOK_ROUNDS, HOOK_WORKERS)
    price = hooks.measure(job.checkout, own_rounds, own_workers, job.seed)
    raw = {row: [asdict(turn) for turn in own] for row, own in turns.items()}
    return Found(figures=rows.figures(turns, price), raw={"turns": raw, "hooks": asdict(price)})


def _shown(row: str, turns: dict[str, list[Turn]]) -> str:
    return f"{row} {turns[row][-1].all_us:.0f}"
