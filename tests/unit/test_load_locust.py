"""`locust -f loadtests/` as a user runs it: what Locust counts is what the ledger holds, however it ends."""

from __future__ import annotations

import re
import signal
from collections import Counter
from pathlib import Path

import pytest
from locust_process import Locust, free_port, locust

NOOP = ("-f", "loadtests/noop.py", "--headless", "--only-summary")
EVERY_WAY = pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["alone", "two processes"])


def check_counts(run: Locust) -> None:
    """Every request has one slot and every slot one request; no two tasks share an id."""
    sends = run.sends()
    assert sends
    assert len(set(sends)) == len(sends) == run.requests()
    assert f"{len(sends)} tasks sent" in run.output
    assert "Traceback" not in run.output


@EVERY_WAY
def test_locust_and_the_ledger_agree_when_the_time_is_up(tmp_path: Path, options: tuple[str, ...]) -> None:
    with locust(tmp_path, *NOOP, "-t", "3s", *options) as run:
        assert run.wait() == 0, run.output
        check_counts(run)
        publishers = {send.publisher for send in run.sends()}
    assert publishers == ({0, 1} if options else {0})
    assert {send.turn for send in run.sends()} == {1}
    said = re.findall(r"celery-rig run ([0-9a-f]{8}) turn 1: .* ledger in (.*)", run.output)
    assert said == [(run.sends()[0].run, str(run.ledger))]


@EVERY_WAY
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_they_agree_when_a_signal_ends_it(tmp_path: Path, options: tuple[str, ...], number: signal.Signals) -> None:
    """At full speed, so that every user is in the middle of something."""
    with locust(tmp_path, *NOOP, "--tasks-per-second", "0", *options) as run:
        run.wait_for("All users spawned")
        run.signal_all(number)
        before = run.output
        assert run.wait() == 0, before + run.output
        check_counts(run)


def test_they_agree_when_the_time_is_up_before_all_users_are_there(tmp_path: Path) -> None:
    with locust(tmp_path, *NOOP, "-u", "200", "-r", "20", "-t", "3s", "--processes", "2") as run:
        assert run.wait() == 0, run.output
        check_counts(run)


SLOW = """
import time
import gevent
from locust import events, task
from rig.load.celery_user import CeleryUser

class Slow(CeleryUser):
    def on_start(self):
        self.celery._send_task = send_task

    @task
    def one(self):
        self.celery.send("app.noop", queue="short")

def send_task(*_, **__):
    gevent.sleep(1.2)
"""

# All users end their sends at one moment, and each send begins with 1 ms of CPU. When the first of them begins its
# third, the test is stopped: the others wait for the CPU. To kill them then, as Locust would, kills them in that send.
# There are so many since gevent looks at its timers after every fifty greenlets only.
STOPPED_IN_STEP = """
begun = 0

def send_task(*_, **__):
    global begun
    begun += 1
    if begun == 401:
        gevent.spawn_later(0, runner.quit)
    until = time.monotonic() + 0.001
    while time.monotonic() < until:
        pass
    gevent.sleep(0.5 - time.monotonic() % 0.5)

@events.init.add_listener
def keep(environment, **_):
    global runner
    runner = environment.runner
"""


def test_what_is_under_way_at_the_end_is_waited_for_and_counted_by_the_master(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    with locust(tmp_path, "-f", str(tmp_path / "slow.py"), *NOOP[2:], "-t", "3s", "--processes", "2") as run:
        assert run.wait() == 0, run.output
        check_counts(run)


def test_no_user_is_cut_off_between_waiting_and_sending(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW + STOPPED_IN_STEP)
    fast = ("--tasks-per-second", "0", "-u", "200", "-r", "200")
    with locust(tmp_path, "-f", str(tmp_path / "slow.py"), *NOOP[2:], *fast) as run:
        assert run.wait() == 0, run.output
        check_counts(run)


def test_all_loads_run_together_and_every_queue_gets_something(tmp_path: Path) -> None:
    # Nobody answers here, so the users that wait for results would only time out.
    users = ("Noop", "MixedDurations")
    options = ("-t", "4s", "-u", "20", "-r", "20", "--arrivals", "poisson rate=300")
    with locust(tmp_path, "-f", "loadtests/", *NOOP[2:], *options, *users) as run:
        assert run.wait() == 0, run.output
        check_counts(run)
    names = Counter(re.findall(r"^send +(app\.\w+ on \w+)", run.output, re.MULTILINE))
    assert {name.rpartition(" ")[2] for name in names} == {"short", "io", "bulk", "critical", "long"}


def test_two_runs_share_no_task_id(tmp_path: Path) -> None:
    for _ in range(2):
        with locust(tmp_path, *NOOP, "-t", "1s") as run:
            assert run.wait() == 0, run.output
    sends = run.sends()
    assert len({send.run for send in sends}) == 2
    assert len(set(sends)) == len(sends)


def test_a_named_run_keeps_its_digits_and_generators_their_numbers(tmp_path: Path) -> None:
    with locust(tmp_path, *NOOP, "-t", "1s", RIG_RUN_ID="0badcafe", RIG_PUBLISHER="5") as run:
        assert run.wait() == 0, run.output
    assert {(send.run, send.publisher) for send in run.sends()} == {("0badcafe", 5)}


@EVERY_WAY
@pytest.mark.parametrize("headless", [True, False], ids=["headless", "web UI"])
def test_without_a_broker_it_says_so_in_one_line_and_exits_with_2(
    tmp_path: Path, options: tuple[str, ...], headless: bool
) -> None:
    port = free_port()
    ui = ("--headless",) if headless else ()
    url = f"amqp://app:topsecret@127.0.0.1:{port}/app"
    with locust(tmp_path, "-f", "loadtests/", "-t", "5s", *ui, *options, BROKER_URL=url) as run:
        assert run.wait() == 2, run.output
    (line,) = [line for line in run.output.splitlines() if line.startswith("error: ")]
    assert f"127.0.0.1:{port}" in line
    assert "make up" in line
    assert "Traceback" not in run.output
    assert "topsecret" not in run.output


def test_without_a_stack_it_exits_with_2(tmp_path: Path) -> None:
    with locust(tmp_path, *NOOP, "-t", "5s", BROKER_URL="", COMPOSE_PROJECT_NAME="never-started") as run:
        assert run.wait() == 2, run.output
    (line,) = [line for line in run.output.splitlines() if line.startswith("error: ")]
    assert "no stack is up" in line
    assert "Traceback" not in run.output


def test_a_broker_that_goes_away_before_the_start_button_is_pressed_stops_the_start_only(tmp_path: Path) -> None:
    """The web UI stays and says what is wrong; nothing is counted."""
    load = tmp_path / "load.py"
    load.write_text(
        "from rig.load.send import preflight\nfrom rig.load.celery_user import CeleryUser\nfrom locust import task\n"
        "seen = []\n"
        "def problems(target, queues=()):\n"
        "    seen.append(1)\n"
        "    return ['the broker is gone'] if len(seen) == 2 else []\n"
        "preflight.problems = problems\n"
        "class Once(CeleryUser):\n"
        "    @task\n"
        "    def once(self): self.celery.send('app.noop', queue='short')\n"
    )
    with locust(tmp_path, "-f", str(load), "--only-summary") as run:
        run.wait_for("Starting web interface")
        swarm = b"user_count=2&spawn_rate=2"
        _retry(lambda: run.ask("/swarm", swarm))
        run.wait_for("error: the broker is gone")
        assert run.process.poll() is None
        assert run.ask("/swarm", swarm)[0] == 200
        run.wait_for("All users spawned")
        run.signal_all(signal.SIGTERM)
        assert run.wait() == 0, run.output
        check_counts(run)
    assert {send.turn for send in run.sends()} == {2}


def _retry(call: object) -> None:
    import time
    import urllib.error

    for _ in range(100):
        try:
            call()  # type: ignore[operator]
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the web UI did not come up")
