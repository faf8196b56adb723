"""A disk that is really full: recording ends with one loud line, the worker and its tasks go on."""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from rig.ledger.account import account
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from tests.stack.conftest import Stack

APPS = Path(__file__).parent / "apps"
# /tmp of every container is a tmpfs of 64 MiB. In the last one of them segments of 512 and 2,048 slots have room.
FILL = "mkdir /tmp/ledger && head -c 63M /dev/zero > /tmp/ballast"
FIT = 512 + 2048
TASKS = FIT + 440


@pytest.mark.parametrize("stack", ["rabbitmq"], indirect=True)
def test_recording_stops_and_the_worker_goes_on(stack: Stack, tmp_path: Path) -> None:
    environment = ["--env=POOLS_QUEUE=full-disk", "--env=PYTHONPATH=/srv:/opt/rig:/apps"]
    options = [*environment, "--env=RIG_LEDGER_DIR=/tmp/ledger", f"--volume={APPS}:/apps:ro"]
    command = f"{FILL} && exec celery -A pools worker -P solo -Q full-disk -n full@test"
    name = stack.compose.run(
        "run", "--rm", "--detach", *options, "worker-short", "sh", "-c", command, timeout=120
    ).split()[-1]
    try:
        client = ["python", "/apps/pools_many.py", str(TASKS)]
        send = ["docker", "exec", *environment, "--env=RIG_LEDGER_DIR=", name, *client]
        done = subprocess.run(send, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr  # the last result came: every task was executed
        logs = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True)
        packed = subprocess.run(
            ["docker", "exec", name, "tar", "--create", "--directory=/tmp/ledger", "."], capture_output=True, check=True
        )
    finally:
        subprocess.run(["docker", "stop", "--time=20", name], check=False, capture_output=True)
    loud = [line for line in (logs.stdout + logs.stderr).splitlines() if "RECORDING STOPPED" in line]
    assert len(loud) == 1
    assert "No space left on device" in loud[0]
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path, filter="data")
    ledger = read_ledger(tmp_path)
    # The container's health check may have sent a canary meanwhile, from a process of its own.
    own = [segment for segment in ledger.segments if any(name.startswith("pools.") for name, _ in segment.kinds)]
    assert [len(segment.slots) for segment in own] == [512, 2048]  # segments rotate, and grow
    assert len(build(replace(ledger, segments=own))) == FIT
    assert any("recording stopped" in reason for reason in account(build(ledger), ledger).invalid)
