"""How long the analysis of a run takes, in how much memory, and whether its cost is linear: on synthetic ledgers.

    python -m rig.selfbench.analysis DIRECTORY     analyse one ledger, print the measurements as JSON

Each size is analysed in a process of its own, on two processors, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rig.errors import BadInput, StackError
from rig.ledger.parquet import write
from rig.ledger.reader import read_ledger
from rig.selfbench import synthetic
from rig.selfbench.figure import Figure

SIZES = (1_000_000, 3_000_000, 10_000_000)  # tasks; the last one is what the limits are for
SECONDS, BYTES = 60, 4 * 2**30
GROWTH = 1.5  # at most this many times the processor time a task, at the largest size against the smallest
PROCESSORS = 2
DISK = 390 + 390 + 70  # bytes a task: its slots, their copy while they are spread, its row


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the analysis of one ledger took; `peak` counts mapped pages as well."""

    tasks: int
    seconds: float
    cpu_s: float
    peak: int  # bytes


def run(directory: Path, sizes: Sequence[int] = SIZES) -> list[Figure]:
    """Make and analyse a ledger of each size below `directory`, and remove it again.

    Raises BadInput when the disk has too little room, StackError when an analysis fails.
    """
    needed, free = max(sizes) * DISK, shutil.disk_usage(directory).free
    if free < needed:
        raise BadInput([f"{directory}: {needed / 1e9:.0f} GB are needed for a synthetic ledger, {free / 1e9:.0f} free"])
    print(f"analysis: up to {needed / 1e9:.0f} GB in {directory}, removed afterwards", flush=True)
    return figures([_measured(directory, size) for size in sizes])


def figures(costs: Sequence[Cost]) -> list[Figure]:
    """Return what `costs`, smallest ledger first, say beside the limits, which hold for the last one."""
    largest = costs[-1]
    found = []
    for cost in costs:
        size = f"{cost.tasks / 1e6:g} million tasks"
        limit, room = (f"≤ {SECONDS} s", f"≤ {BYTES / 2**30:g} GiB") if cost is largest else ("", "")
        within, fits = cost.seconds <= SECONDS or not limit, cost.peak <= BYTES or not limit
        found += [
            Figure(name=f"{size}: time", value=cost.seconds, unit="s", limit=limit, ok=within),
            Figure(name=f"{size}: processor time", value=cost.cpu_s / cost.tasks * 1e6, unit="µs a task"),
            Figure(name=f"{size}: peak memory", value=cost.peak / 2**30, unit="GiB", limit=room, ok=fits),
        ]
    growth = largest.cpu_s / largest.tasks / (costs[0].cpu_s / costs[0].tasks)
    name = f"processor time a task, {largest.tasks / 1e6:g} against {costs[0].tasks / 1e6:g} million"
    return [*found, Figure(name=name, value=growth, unit="times", limit=f"≤ {GROWTH}", ok=growth <= GROWTH)]


def _measured(directory: Path, tasks: int) -> Cost:
    """Make a ledger, analyse it in a process of its own, and remove it."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="analysis-") as folder:
        synthetic.make(Path(folder), tasks)
        os.sync()  # a run's ledger has long been written when it is analysed
        command = [sys.executable, "-m", "rig.selfbench.analysis", folder]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise StackError(f"the analysis of {tasks} tasks failed:\n{done.stderr}")
    cost = Cost(**json.loads(done.stdout))
    if cost.tasks != tasks:
        raise StackError(f"of {tasks} tasks the analysis found {cost.tasks}")
    print(f"  {tasks:>10,} tasks: {cost.seconds:6.1f} s", flush=True)
    return cost


def analyse(directory: Path) -> Cost:
    """Write tasks.parquet of the ledger in `directory`, on as many processors as the limit is for."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    began, cpu = time.perf_counter(), time.process_time()
    tasks = write({"": read_ledger(directory)}, directory / "tasks.parquet")
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return Cost(tasks=tasks, seconds=seconds, cpu_s=cpu_s, peak=_peak())


def _peak() -> int:
    """Return the peak of this process's resident memory, bytes: anonymous, file-backed and shared pages.

    Not getrusage's: that begins with the peak of the process that forked this one.
    """
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(asdict(analyse(Path(sys.argv[1])))))
