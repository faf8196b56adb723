"""What a run that was killed has left behind: found by its lock, which no process holds any more, and removed.

`.rig/bench/<project>` is a symbolic link to the directory of each run that was begun from this checkout, and `.lock` in
that directory is held (flock) by the process that runs it. The kernel lets go of it however the process ends, so a
lock that can be taken belongs to no living run, and a run of another checkout is never touched.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig.errors import BadInput, StackError
from rig.stack.compose import PROJECT_LABEL
from rig.stack.docker import answers, docker, kill

LOCK = ".lock"

# How things of a kind are listed and removed. One-off containers are nobody's services, whatever their image says.
_KINDS = {
    "container": (["ps", "--all", "--filter=label=com.docker.compose.oneoff=False"], ["rm", "--force", "--volumes"]),
    "network": (["network", "ls"], ["network", "rm"]),
    "volume": (["volume", "ls"], ["volume", "rm"]),
}
_NAMES = {"container": "{{.ID}}", "network": "{{.ID}}", "volume": "{{.Name}}"}


@contextmanager
def held(root: Path, project: str, directory: Path) -> Iterator[None]:
    """Hold the lock of the run in `directory` and note it in the checkout at `root`, while the block runs.

    The note stays: whether something is left of the run is for the next `remove` to find out. BadInput when another
    process holds the lock.
    """
    with _locked(directory) as ours:
        if not ours:
            raise BadInput([f"{directory.name} is running: it cannot be run twice at the same time"])
        note = _notes(root) / project
        note.parent.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)
        note.symlink_to(directory)
        yield


def report(root: Path) -> list[str]:
    """Return a line for each dead run of the checkout at `root` that left something: what, and how it is removed.

    Changes nothing. None are reported while the engine does not answer.
    """
    lines = []
    for note in sorted(_notes(root).glob("*")):
        directory = note.readlink()
        left = _left(note)
        if left and not _is_held(directory):
            commands = "; ".join(" ".join(["docker", *_KINDS[kind][1], *names]) for kind, names in left.items())
            lines.append(
                f"{directory.name} was killed and left {_counted(left)} behind: the next `rig run` removes that, "
                f"or remove it now: {commands}"
            )
    return lines


def remove(root: Path) -> list[str]:
    """Remove containers, networks and volumes of every dead run of the checkout at `root`; a line for each such run."""
    lines = []
    for note in sorted(_notes(root).glob("*")):
        directory = note.readlink()
        with _locked(directory) as ours:
            if ours:
                lines += _remove(note, directory)
    return lines


def _remove(note: Path, directory: Path) -> list[str]:
    left = _left(note)
    if left is None:
        return []  # pre-flight says that the engine does not answer
    if not left:
        note.unlink()  # only now: a Compose that outlived its run may have made more since the last look
        return []
    kill(left.get("container", ()))
    try:
        for kind, names in left.items():
            docker(*_KINDS[kind][1], *names, timeout=120)
    except StackError as error:
        return [f"{directory.name} has ended, and what it left cannot be removed: {error}"]
    shutil.rmtree(directory / "state", ignore_errors=True)  # passwords of a stack that is gone
    return [f"{directory.name} was killed: removed the {_counted(left)} that it left behind"]


def _left(note: Path) -> dict[str, list[str]] | None:
    """Return the names of what is left of a run, by kind, for kinds of which something is; None without an answer."""
    left = {}
    for kind in _KINDS:
        names = _listed(kind, f"{note.name}-")
        if names is None:
            return None
        if names:
            left[kind] = names
    return left


def _counted(left: dict[str, list[str]]) -> str:
    return ", ".join(f"{len(names)} {kind}{'s' * (len(names) > 1)}" for kind, names in left.items())


def _listed(kind: str, prefix: str) -> list[str] | None:
    """Return the names of what belongs to a Compose project that begins with `prefix`; None without an answer."""
    layout = f'{_NAMES[kind]}\t{{{{.Label "{PROJECT_LABEL}"}}}}'
    said = answers(*_KINDS[kind][0], f"--format={layout}")
    if said is None:
        return None
    rows = (line.split("\t") for line in said.splitlines())
    return [name for name, project in rows if project.startswith(prefix)]


@contextmanager
def _locked(directory: Path) -> Iterator[bool]:
    """Tell whether the lock could be taken (that of a directory which is gone always can), and hold it meanwhile."""
    if not directory.is_dir():
        yield True
        return
    lock = os.open(directory / LOCK, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(lock)


def _is_held(directory: Path) -> bool:
    """Tell whether a process runs in `directory`, without making the lock where there is none, or keeping it."""
    try:
        lock = os.open(directory / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _notes(root: Path) -> Path:
    return root / ".rig" / "bench"
