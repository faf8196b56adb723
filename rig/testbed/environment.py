"""What a run was measured on: the machine, the engine, the images, the versions. Goes into environment.json."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rig.ledger.reader import Segment
from rig.stack import engine, start
from rig.stack.docker import docker
from rig.testbed.containers import Site

CLOCK_SPREAD = "clock spread (ms)"
MEASURING_CODE = "measuring code"
TRANSPORTS = "transports"  # of Celery to the broker, by topology
# What decides numbers, of the checkout: files, and folders of which the files that end so.
DECIDING = (
    "rig/stats.py", "rig/experiment", "rig/testbed", "rig/load", "rig/instrument", "rig/ledger/writer.py",
    "services/app",
)  # fmt: skip
SOURCES = (".py", ".c")


def describe(
    root: Path, sites: Sequence[Site], versions: Mapping[str, str], load_before: float, segments: Sequence[Segment] = ()
) -> dict[str, Any]:
    """Return the manifest.

    `versions` are those that `rig.testbed.inside.probe` found in the containers, `load_before` is the machine's load
    average of the minute before the run, `segments` are those of all ledgers.
    """
    about = engine.info() or {}
    return {
        "cpu": _cpu_model(Path("/proc/cpuinfo")),
        "cores": os.cpu_count() or 1,
        "memory": f"{about.get('MemTotal', 0) / (1 << 30):.1f} GiB",
        "kernel": platform.release(),
        "system": about.get("OperatingSystem", ""),
        "virtual machine": _is_virtual(Path("/proc/cpuinfo")),
        "clock": _text(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        CLOCK_SPREAD: clock_spread_ms(segments),
        "cgroup": f"v{about.get('CgroupVersion', '?')}, {about.get('CgroupDriver', '?')}",
        "engine": about.get("ServerVersion", ""),
        "compose": engine.compose_version() or "",
        "load before": round(load_before, 2),
        "revision": _revision(root),
        MEASURING_CODE: measuring_code(root),
        "versions": dict(versions),
        TRANSPORTS: {site.topology.name: site.topology.transport for site in sites},
        "images": {name: image for site in sites for name, image in sorted(_images(site).items())},
    }


def measuring_code(root: Path) -> str:
    """Return a digest of the code that decides numbers, without lines that are blank or a comment.

    Records of different digests were measured by different code, whatever version it says it is:
    tests/contract/test_records.py.
    """
    found = hashlib.sha256()
    for path in sorted(path for name in DECIDING for path in [root / name, *(root / name).rglob("*")]):
        if path.is_file() and path.suffix in SOURCES:
            lines = (line.rstrip() for line in path.read_text().splitlines())
            code = [line for line in lines if line and not line.lstrip().startswith(("#", "//"))]
            found.update("\n".join([str(path.relative_to(root)), *code, ""]).encode())
    return found.hexdigest()[:16]


def clock_spread_ms(segments: Sequence[Segment]) -> float:
    """Return how far the containers that wrote `segments` lie apart in wall minus monotonic clock, in ms.

    In a time namespace of its own, where stamps do not compare, a container has another such difference all the time. A
    step of the wall clock changes it for all of them at once, and harms no stamp: so each container's segment counts
    that comes nearest to one of the first container's.
    """
    offsets: dict[str, list[int]] = {}
    for segment in segments:
        offsets.setdefault(segment.host, []).append(segment.wall_ns - segment.mono_ns)
    first = np.array(next(iter(offsets.values()), []), np.int64)
    apart = [int(np.abs(first[:, None] - np.array(own, np.int64)).min()) for own in offsets.values()]
    return round(max(apart, default=0) / 1e6, 3)


def _images(site: Site) -> dict[str, str]:
    """Image -> the id that it had: a tag may mean another image tomorrow."""
    ids = [container.id for container in start.containers(site.compose.project)]
    facts = json.loads(docker("inspect", *ids))
    return {fact["Config"]["Image"]: fact["Image"] for fact in facts}


def _cpu_model(path: Path) -> str:
    match = re.search(r"^(?:model name|Model|CPU part)\s*:\s*(.+)$", _text(path), re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def _is_virtual(path: Path) -> bool:
    return bool(re.search(r"^flags\s*:.*\bhypervisor\b", _text(path), re.MULTILINE))


def _revision(root: Path) -> str:
    """The checkout's commit, with a + where files differ from it."""
    try:
        words = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
