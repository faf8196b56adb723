"""The `rig` command: finds its verbs in `rig.commands`, runs one, and turns errors into lines and exit codes.

Exit codes: 0 as expected, 1 not as expected, 2 bad input, 3 invalid run, 4 Docker or the machine failed, 130
interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from rig import commands
from rig.errors import STACK_FAILED, BadInput, StackError


def parser() -> argparse.ArgumentParser:
    """The whole command line: each module of `rig.commands` registers its own verb."""
    top = argparse.ArgumentParser(prog="rig", description="A reference Celery deployment, and the rig that tests it.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"rig.commands.{module.name}").register(verbs)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    parsed = parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except BadInput as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 2
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return STACK_FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return code
