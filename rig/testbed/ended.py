"""How a worker's container has ended, and whether that is the fault of an experiment file or of the stack."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from rig.errors import BadInput, StackError
from rig.stack.docker import docker

USAGE_ERROR = 2  # exit code of a worker that does not understand its command line


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The exit code of a container, and the last line that it printed."""

    exit_code: int
    last_words: str

    def error(self, cell: str, context: str = "") -> BadInput | StackError:
        """Return what to raise: BadInput where the worker did not understand its command line."""
        said = f"{cell}: its worker has ended with {self.exit_code}: {self.last_words}"
        if self.exit_code == USAGE_ERROR:
            return BadInput([said])
        return StackError(f"{said} ({context})" if context else said)


def ended(container: str) -> Ended | None:
    """Return how a container has ended; None while it runs. StackError where there is none."""
    running, _, code = docker("inspect", "--format={{.State.Running}} {{.State.ExitCode}}", container).partition(" ")
    return None if running == "true" else Ended(exit_code=int(code), last_words=_last_words(container))


def _last_words(container: str) -> str:
    """Return the last line that a container has printed, stack traces and frames left aside."""
    words = ["docker", "logs", "--tail=50", container]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
    lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip(" │╭╰─╮╯")]
    return lines[-1].strip(" │")[:300] if lines else "it printed nothing"
