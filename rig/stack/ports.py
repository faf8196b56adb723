"""Which ports of 127.0.0.1 a stack wants, and who has them already."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.stack.compose import of_project
from rig.stack.docker import answers

_SUFFIX = "_PORT"
_MARKERS = 20001  # first of the numbers that stand for a variable while Compose fills in the files


@dataclass(frozen=True, kw_only=True)
class Published:
    """One port that a service publishes on 127.0.0.1."""

    variable: str  # in .env
    service: str
    target: int  # inside the container
    wanted: int  # on the host; 0 lets the engine choose


def wanted(settings: Mapping[str, str]) -> tuple[dict[str, int], list[str]]:
    """Every `*_PORT` setting as a number, and a problem for each that is none."""
    numbers, problems = {}, []
    for name, value in settings.items():
        if not name.endswith(_SUFFIX):
            continue
        if value.isdecimal() and int(value) <= 65535:
            numbers[name] = int(value)
        else:
            problems.append(f"{name}={value} is not a port: use a number up to 65535, or 0 to let the engine choose")
    return numbers, problems


def markers(settings: Mapping[str, str]) -> dict[str, str]:
    """A number of its own for each port variable, to be recognized in the project that Compose then prints.

    So nothing has to keep a list of which variable belongs to which service.
    """
    names = sorted(name for name in settings if name.endswith(_SUFFIX))
    return {name: str(_MARKERS + index) for index, name in enumerate(names)}


def published(config: Mapping[str, Any], marked: Mapping[str, str], numbers: Mapping[str, int]) -> list[Published]:
    """The ports in a project printed by `docker compose config` with every port variable set to its marker."""
    variable = {int(marker): name for name, marker in marked.items()}
    found = []
    for service, options in sorted(config["services"].items()):
        for port in options.get("ports", []):
            name = variable.get(int(port.get("published") or 0))
            if name is not None:
                target = int(port["target"])
                found.append(Published(variable=name, service=service, target=target, wanted=numbers[name]))
    return found


def taken(ports: Iterable[Published], project: str) -> list[str]:
    """A problem for each wanted port that somebody else than this very project listens on, or that is wanted twice."""
    ours = numbers_published(answers("ps", *of_project(project), "--format={{.Ports}}") or "")
    problems, first = [], dict[int, str]()
    for port in ports:
        if port.wanted == 0:
            continue
        if port.wanted in first:
            problems.append(f"{first[port.wanted]} and {port.variable} are both {port.wanted}: change one in .env")
        elif port.wanted not in ours and not free(port.wanted):
            who = listener(port.wanted)
            problems.append(
                f"port {port.wanted} (for {port.service}) is taken{f' by {who}' if who else ''}: "
                f"stop that, or set {port.variable} in .env (0 lets the engine choose)"
            )
        first.setdefault(port.wanted, port.variable)
    return problems


def free(port: int) -> bool:
    """Whether a listener could be bound to 127.0.0.1 at a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True


def listener(port: int) -> str | None:
    """Who listens on a port, as well as it can be known: a container by its name, else a process with its command."""
    names = (answers("ps", f"--filter=publish={port}", "--format={{.Names}}") or "").split()
    if names:
        return f"the container {names[0]}"
    return _process(port)


def numbers_published(text: str) -> set[int]:
    """The host ports in the Ports column of `docker ps`: `127.0.0.1:5672->5672/tcp, 0.0.0.0:80-81->80-81/tcp`."""
    found: set[int] = set()
    for first, last in re.findall(r":(\d+)(?:-(\d+))?->", text):
        found.update(range(int(first), int(last or first) + 1))
    return found


def _process(port: int) -> str | None:
    """The process that owns the listening socket, on Linux and where /proc lets us see it."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*") if sockets else ():
        try:
            if str(descriptor.readlink()) in sockets:
                process = descriptor.parts[2]
                command = (Path("/proc") / process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                return f"process {process} ({command[:60]})"
        except OSError:
            continue  # gone meanwhile, or another user's
    return None


def _inodes(port: int) -> set[str]:
    """Inodes of the TCP sockets that listen on a port: state 0A in /proc/net/tcp and tcp6."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found
