"""To add a topology is to add a folder: a copy of one, in a clone, comes up, is seen and measured, and is tested."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.experiment.result import FILE
from tests.stack.conftest import ROOT
from tests.stack.test_bench import EXPERIMENT as SMALL

COPY = "valkey"
EXPERIMENT = re.sub(r'^(name = "\w+")$', rf'\1\ntopology = "{COPY}"', SMALL, flags=re.MULTILINE)


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A clone of what git keeps here, as it is now, with one folder more."""
    clone = tmp_path / "clone"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name)
    shutil.copytree(clone / "compose" / "topologies" / "redis", clone / "compose" / "topologies" / COPY)
    yield clone
    run(clone, "rig", "down", "--volumes")


def run(clone: Path, *words: str) -> str:
    """Run a command of the environment on the clone's own code; what it printed."""
    code = {"rig": "import sys; from rig.cli import main; sys.exit(main())", "pytest": "import pytest; pytest.main()"}
    own = {"PYTHONPATH": str(clone), "COMPOSE_PROJECT_NAME": "celery-rig-copy"}
    done = subprocess.run(
        [sys.executable, "-c", code[words[0]], *words[1:]], cwd=clone, env={**os.environ, **own},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout[-6000:]  # 1: a trial confirms nothing
    return done.stdout


def test_a_copied_folder_is_a_topology(clone: Path) -> None:
    assert f"[{COPY}]" in run(clone, "pytest", "--collect-only", "-q", "tests/stack/test_topologies.py")
    print(run(clone, "rig", "up", "--topology", COPY))
    seen = {line.split()[0]: line for line in run(clone, "rig", "status").splitlines() if line[:1].strip()}
    assert "healthy" in seen["redis"]
    assert "redis://127.0.0.1:" in seen["redis"]
    run(clone, "rig", "down", "--volumes")

    (clone / "small.toml").write_text(EXPERIMENT)
    print(run(clone, "rig", "run", "small.toml", "--into", str(clone / "runs")))
    (found,) = (clone / "runs").glob(f"*/{FILE}")
    turns = [turn for turn in json.loads(found.read_text())["turns"] if turn["round"]]
    assert len(turns) == 6
    for turn in turns:
        assert turn["values"]["broker_operations"] > 3  # LPUSH and BRPOP, with what acknowledges a message
        assert turn["values"]["broker_bytes"] > 1000
        assert turn["values"]["worker_memory"] > 10
        assert turn["phases"]["drain"]["cpu_ns"]["broker"] > 0
