"""Runs the docker command line tool and turns its failures into the two errors that a user sees."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rig.errors import BadInput, StackError

QUICK = 60.0  # seconds; for commands that only ask
PAUSE_TRIES = 15
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def docker(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = QUICK,
) -> str:
    """What `docker ARGUMENTS` prints.

    `env` is laid over this process's environment; `timeout` is in seconds, None waits for ever.
    Raises BadInput where there is no docker, StackError (with the last lines of stderr) where it fails or hangs.
    """
    try:
        done = subprocess.run(
            ["docker", *arguments],
            env={**os.environ, **(env or {})}, cwd=cwd, input=stdin, timeout=timeout,
            capture_output=True, text=True, check=False,
        )
    except FileNotFoundError:
        raise BadInput(["docker is not installed: run `rig doctor`"]) from None
    except subprocess.TimeoutExpired:
        raise StackError(f"`{shown(arguments)}` gave no answer within {timeout:g} s") from None
    if done.returncode:
        raise StackError(f"`{shown(arguments)}` failed:\n{last_lines(done.stderr or done.stdout)}")
    return done.stdout


def answers(*arguments: str, timeout: float = QUICK) -> str | None:
    """What `docker ARGUMENTS` prints, or None where it fails, hangs or does not exist: for questions, not for deeds."""
    try:
        return docker(*arguments, timeout=timeout)
    except (BadInput, StackError):
        return None


def kill(containers: Iterable[str]) -> None:
    """Kill containers, one after the other; what cannot be killed is left to who removes it.

    Never at once, as `docker kill A B` and `docker rm --force A B` do: an engine before 20.10.27 can lock up for good
    when containers leave a network at the same moment: https://github.com/moby/libnetwork/issues/2649
    """
    for container in containers:
        answers("kill", container)


def pause(container: str) -> None:
    """Stop all of a container's processes where they are. StackError where that fails every time.

    On a busy machine runc gives up now and then ("unable to freeze"), and leaves them running.
    """
    for _ in range(PAUSE_TRIES - 1):
        try:
            docker("pause", container)
        except StackError:
            time.sleep(0.2)
        else:
            return
    docker("pause", container)


def shown(arguments: Sequence[str]) -> str:
    """A docker command as a person would type it, without the long lists of files and options in front."""
    words = list(arguments)
    if words[:1] == ["compose"]:
        while len(words) > 2 and words[1].startswith("-"):
            del words[1 : 2 if "=" in words[1] else 3]
    return " ".join(["docker", *words])


def last_lines(text: str, count: int = 12) -> str:
    """The end of a log, indented, as it goes under a message."""
    plain = _COLOUR.sub("", text).strip()
    return "\n".join(f"    {line}" for line in plain.splitlines()[-count:])
