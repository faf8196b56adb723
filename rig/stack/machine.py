"""How much memory and disk this machine has left, against what a stack needs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

GIB = 1 << 30
NEEDED_MEMORY = 2 * GIB  # a stack that has come up uses about 1 GiB, under load half as much again
NEEDED_DISK = 2 * GIB  # volumes and logs of some hours of load
NEEDED_DISK_IMAGES = 6 * GIB  # the same, and images to be pulled or built
NEEDED_CHECKOUT = GIB // 2  # ledger segments of the last minutes


def memory_problems(engine: Mapping[str, Any], meminfo: str, *, running: bool) -> list[str]:
    """Too little memory for a stack, by /proc/meminfo on Linux, else by what the engine has in all.

    A stack that runs already (`running`) has its memory.
    """
    match = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
    free = int(match[1]) * 1024 if match else int(engine.get("MemTotal", 0))
    if running or free == 0 or free >= NEEDED_MEMORY:
        return []
    return [f"{_gib(free)} of memory is free, a stack needs {_gib(NEEDED_MEMORY)}: stop something, or add memory"]


def disk_problems(places: Mapping[str, tuple[Path, int]]) -> list[str]:
    """A problem for each place (what it is -> path, bytes needed) with too little space; unknown places are skipped."""
    problems = []
    for what, (path, needed) in places.items():
        free = free_bytes(path)
        if free is not None and free < needed:
            problems.append(f"{_gib(free)} is free at {path} ({what}), {_gib(needed)} is needed: make room there")
    return problems


def free_bytes(path: Path) -> int | None:
    """What an unprivileged user could still write at a path; None where that cannot be known from here."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def cpu_limits(settings: Mapping[str, str], cpus: int) -> dict[str, str]:
    """Every `*_CPUS` setting that is more than the machine has, cut to what it has: the engine refuses more."""
    limits = {name: value for name, value in settings.items() if name.endswith("_CPUS")}
    return {name: f"{cpus}.0" for name, value in limits.items() if cpus and float(value) > cpus}


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
