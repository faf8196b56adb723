"""`rig run FILE`: put one experiment to the test."""

from __future__ import annotations

import argparse
import secrets
from dataclasses import replace
from pathlib import Path

from rig.errors import BadInput
from rig.experiment.launch import launch
from rig.experiment.read_spec import load_experiment
from rig.report.write import REPORT, write_report
from rig.stack.paths import checkout

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "run",
        help="run an experiment and say what came of it",
        description="Runs an experiment in containers of its own and writes runs/<id>/. "
        "Exit codes: 0 as expected, 1 not, 2 bad input, 3 the run is invalid, 130 interrupted.",
    )
    parser.add_argument("file", type=Path, help="the experiment, such as loadtests/experiments/ignore_result.toml")
    parser.add_argument("--rounds", type=int, help="instead of what the file says; at least 2")
    parser.add_argument("--seed", type=int, help="of the order of turns and the arrivals; drawn and printed if absent")
    parser.add_argument("--runs", type=Path, help="where run directories go (default: runs/ of the checkout)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run it and print the table; the exit code of the verdict."""
    ours = checkout()
    experiment = load_experiment(arguments.file, ours.topologies())
    if arguments.rounds is not None:
        if arguments.rounds < 2:
            raise BadInput([f"--rounds {arguments.rounds}: an interval needs at least 2"])
        experiment = replace(experiment, rounds=arguments.rounds)
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    directory, result = launch(experiment, ours, arguments.runs or ours.root / "runs", seed)
    report = write_report(directory)
    print(f"\n{report.summary}\n")
    kept = ", ".join(path.name for path in sorted(directory.iterdir()))
    print(f"kept in {directory}: {kept}" if result.interrupted else f"report: {directory / REPORT}")
    return INTERRUPTED if result.interrupted in ("Ctrl-C", "SIGTERM") else report.verdict.exit_code
