"""What a run was measured on: the machine, the engine, the images, the versions. Goes into environment.json."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rig.experiment.bench import Site
from rig.stack import engine
from rig.stack.docker import answers


def describe(root: Path, sites: Sequence[Site], versions: Mapping[str, str]) -> dict[str, Any]:
    """Return the manifest; `versions` are those that `rig.experiment.probe` found in the containers."""
    about = engine.info() or {}
    return {
        "cpu": _cpu_model(Path("/proc/cpuinfo")),
        "cores": os.cpu_count() or 1,
        "memory": f"{about.get('MemTotal', 0) / (1 << 30):.1f} GiB",
        "kernel": platform.release(),
        "system": about.get("OperatingSystem", ""),
        "virtual machine": _is_virtual(Path("/proc/cpuinfo")),
        "clock": _text(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        "cgroup": f"v{about.get('CgroupVersion', '?')}, {about.get('CgroupDriver', '?')}",
        "engine": about.get("ServerVersion", ""),
        "compose": engine.compose_version() or "",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "revision": _revision(root),
        "versions": dict(versions),
        "images": {service: image for site in sites for service, image in _images(site).items()},
    }


def _images(site: Site) -> dict[str, str]:
    """Service -> image with the id that it had: a tag may mean another image tomorrow."""
    label = f"--filter=label=com.docker.compose.project={site.compose.project}"
    layout = '{{.Label "com.docker.compose.service"}}\t{{.Image}}'
    rows = [row.split("\t") for row in (answers("ps", "--all", label, f"--format={layout}") or "").splitlines()]
    named = {image: (answers("image", "inspect", "--format={{.Id}}", image) or "").strip() for _, image in rows}
    return {service: f"{image} {named[image]}" for service, image in sorted(rows)}


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
