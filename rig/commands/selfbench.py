"""`rig selfbench`: what measuring and analysing cost, measured."""

from __future__ import annotations

import argparse
import secrets

from rig.errors import BadInput
from rig.selfbench import analysis, hooks
from rig.selfbench.figure import all_ok
from rig.stack.paths import checkout


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "selfbench",
        help="measure what measuring costs",
        description="hooks: runs a worker and a broker of its own. analysis: joins synthetic ledgers of up to ten "
        "million tasks in .rig/, where it needs 8 GB meanwhile. Exit codes: 0 within the limits, 1 not, 2 bad input.",
    )
    parser.add_argument("part", nargs="?", choices=PARTS, help="default: all, one after the other")
    parser.add_argument("--rounds", type=int, default=60, help="of three blocks, for each worker process (default: 60)")
    parser.add_argument("--workers", type=int, default=8, help="processes, one after the other (default: 8)")
    parser.add_argument("--seed", type=int, help="of order and length of the blocks; drawn and printed if absent")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 1 when a limit is missed."""
    wanted = [arguments.part] if arguments.part else list(PARTS)
    if arguments.rounds < 10:
        raise BadInput([f"--rounds {arguments.rounds}: an interval needs at least 10"])
    if arguments.workers < 2:
        raise BadInput([f"--workers {arguments.workers}: an interval needs at least 2"])
    kept = [PARTS[part](arguments) for part in wanted]
    return 0 if all(kept) else 1


def _hooks(arguments: argparse.Namespace) -> bool:
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    price = hooks.measure(checkout(), arguments.rounds, arguments.workers, seed)
    within = price.share <= hooks.LIMIT
    print(f"\nthe ledger's hooks in one worker: no-op, solo pool, results ignored, RabbitMQ (seed {seed})")
    rounds = f"{price.hooks.rounds} rounds in {arguments.workers} processes"
    print(f"  bare                      {price.bare_us:.1f} µs CPU a task, {rounds}")
    print(f"  control (A/A)             {price.control}")
    print(f"  hooks                     {price.hooks}  (95 % interval)")
    print(f"    of each process         {'  '.join(f'{share:+.2%}' for share in price.hooks.workers)}")
    print(f"  segments                  {price.segments_us / price.bare_us:+.2%}")
    print(f"  all stamps together       {price.share:+.2%}, limit {hooks.LIMIT:+.1%}: {'ok' if within else 'TOO DEAR'}")
    return within


def _analysis(_: argparse.Namespace) -> bool:
    directory = checkout().root / ".rig"
    directory.mkdir(exist_ok=True)
    found = analysis.run(directory)
    print("\nthe analysis: segments to tasks.parquet, two processors", *found, sep="\n")
    return all_ok(found)


PARTS = {"hooks": _hooks, "analysis": _analysis}
