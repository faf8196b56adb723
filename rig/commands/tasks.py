"""`rig tasks DIRECTORY`: what a ledger knows of each task, as tasks.parquet."""

from __future__ import annotations

import argparse
from pathlib import Path

from rig.errors import BadInput
from rig.ledger.parquet import write
from rig.ledger.reader import read_ledger


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "tasks",
        help="write tasks.parquet, one row a task, from a ledger",
        description="Joins the ledger segments below a directory to one row a task (docs/tasks.md). "
        "Exit codes: 0 written, 2 bad input, 3 written, but parts of the ledger are damaged.",
    )
    parser.add_argument("directory", type=Path, help="where the segments are")
    parser.add_argument("-o", "--output", type=Path, default=Path("tasks.parquet"), help="default: tasks.parquet")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file; 3 when what it was made from is damaged."""
    ledger = read_ledger(arguments.directory)
    if not ledger.segments and not ledger.problems:
        raise BadInput([f"{arguments.directory}: no ledger segments (*.led) there or below it"])
    try:
        count = write({"": ledger}, arguments.output)
    except OSError as error:
        raise BadInput([f"{arguments.output}: {error}"]) from error
    for problem in ledger.problems:
        print(f"damaged: {problem}")
    print(f"{arguments.output}: {count} tasks")
    return 3 if ledger.problems else 0
