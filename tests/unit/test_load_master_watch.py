"""A Locust worker whose master is gone ends by itself, and Locust gets its turn whatever users are at."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from locust_process import free_port, locust

ORPHANED = 4  # master_watch.ORPHANED; to import Locust here would patch the process of all tests

# What it may take is bounded from inside, should nobody be left to end it: in CPU seconds and in memory.
LOAD = """
import resource
from locust import runners, task
from rig.load.users import master_watch
from rig.load.celery_user import CeleryUser

resource.setrlimit(resource.RLIMIT_CPU, (40, 40))
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
runners.MASTER_HEARTBEAT_TIMEOUT = 3
master_watch.GRACE_SECONDS = 3

class Busy(CeleryUser):
    queues = ("short",)

    @task
    def one(self):
"""
ONE_EACH = "        self.celery.send('app.noop', queue='short')\n"
FOR_EVER = "        while True: self.celery.send('app.noop', queue='short')\n"  # a broker in memory makes nobody wait
DEAF = """
        self.celery.send('app.noop', queue='short')
        while True: pass
"""
FULL_SPEED = ("--headless", "--only-summary", "--tasks-per-second", "0", "--stop-timeout", "1", "-u", "2", "-r", "2")


def write_load(directory: Path, body: str) -> str:
    load = directory / "load.py"
    load.write_text(LOAD + body)
    return str(load)


@pytest.mark.parametrize(
    ("body", "in_good_order"),
    [(ONE_EACH, True), (FOR_EVER, True), (DEAF, False)],
    ids=["one task at a time", "a task that sends for ever", "a task that lets nobody else run"],
)
def test_a_worker_ends_when_its_master_was_killed(tmp_path: Path, body: str, in_good_order: bool) -> None:
    load, port = write_load(tmp_path, body), str(free_port())
    master = ("--master", "--expect-workers", "1", "--master-bind-port", port, "-t", "60s")
    with (
        locust(tmp_path, "-f", load, *FULL_SPEED, *master) as killed,
        locust(tmp_path, "-f", load, "--worker", "--master-port", port) as worker,
    ):
        killed.wait_for("All users spawned", timeout=20)
        killed.process.kill()
        try:
            assert worker.wait(timeout=20) == ORPHANED, worker.output
        except subprocess.TimeoutExpired:
            pytest.fail("the worker goes on without its master")
        (line,) = [line for line in worker.output.splitlines() if line.startswith("error: ")]
        assert "master" in line
        assert "Traceback" not in worker.output
        if in_good_order:
            assert worker.sends()


def test_a_task_that_sends_for_ever_is_ended_when_the_time_is_up(tmp_path: Path) -> None:
    load = write_load(tmp_path, FOR_EVER)
    with locust(tmp_path, "-f", load, *FULL_SPEED, "-t", "3s") as run:
        try:
            assert run.wait(timeout=20) == 0, run.output
        except subprocess.TimeoutExpired:
            pytest.fail("the load goes on when its time is up")
        assert len(run.sends()) == run.requests()
        assert "Traceback" not in run.output
