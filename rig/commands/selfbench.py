"""`rig selfbench`: what measuring and analysing cost, measured."""

from __future__ import annotations

import argparse
import os
import secrets
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rig.errors import BadInput, StackError
from rig.selfbench import record
from rig.selfbench.part import Job, Part, all_parts
from rig.selfbench.record import Section
from rig.stack.paths import checkout
from rig.testbed.environment import describe

PACKAGES = ("celery", "kombu", "amqp", "gevent", "locust", "flower", "prometheus-client", "numpy", "pyarrow")


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "selfbench",
        help="measure what measuring costs",
        description="Puts the rig itself to the test, one part after the other, in containers of its own, and writes "
        "runs/selfbench-<time>/selfbench.json. `analysis` needs 8 GB of disk meanwhile. "
        "Exit codes: 0 within all limits, 1 not, 2 bad input, 130 interrupted.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="default: all (`--list` names them)")
    parser.add_argument("--list", action="store_true", help="name the parts and measure nothing")
    parser.add_argument("--quick", action="store_true", help="a few minutes: shows that it works, judges nothing well")
    parser.add_argument("--seed", type=int, help="of every draw; drawn and printed if absent")
    parser.add_argument(
        "--into", type=Path, metavar="DIR", help="where selfbench.json goes, replacing one that is there"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print one table and keep it; 1 when a limit is missed or a part could not be measured."""
    known = all_parts()
    if arguments.list:
        print(*(f"{name:<10} {part.TITLE}" for name, part in known.items()), sep="\n")
        return 0
    unknown = [name for name in arguments.parts if name not in known]
    if unknown:
        raise BadInput([f"{name}: no part of the self-test; there are {', '.join(known)}" for name in unknown])
    ours = checkout()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    directory = _directory(arguments.into or ours.root / "runs" / f"selfbench-{time.strftime('%Y%m%d-%H%M%S')}")
    job = Job(checkout=ours, seed=seed, quick=arguments.quick)
    environment = describe(ours.root, [], {name: version(name) for name in PACKAGES}, os.getloadavg()[0])
    print(f"seed {seed}, into {directory}{', quick' if job.quick else ''}", flush=True)
    sections: list[Section] = []
    try:
        for name in dict.fromkeys(arguments.parts or known):
            sections.append(section := _measured(name, known[name], job))
            print(f"{name}: {section.seconds:.0f} s", flush=True)
    finally:
        if sections:
            record.save(directory / record.NAME, sections, seed=seed, quick=job.quick, environment=environment)
            print(f"\n{record.table(sections)}\n\nkept in {directory / record.NAME}")
        elif not any(directory.iterdir()):
            directory.rmdir()
    return 0 if all(section.ok for section in sections) else 1


def _directory(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput([f"--into {path}: {error.strerror}"]) from error
    return path


def _measured(name: str, part: Part, job: Job) -> Section:
    """Measure one part. One that fails must not take with it what the others took minutes to find."""
    print(f"\n{name}: {part.TITLE}", flush=True)
    began = time.monotonic()
    kept: dict[str, Any] = {"figures": [], "raw": {}}
    try:
        found = part.measure(job)
        kept = {"figures": found.figures, "raw": dict(found.raw)}
    except StackError as error:
        print(f"error: {error}", flush=True)
        kept["error"] = str(error).splitlines()[0]
    return Section(part=name, title=part.TITLE, seconds=round(time.monotonic() - began, 1), **kept)
