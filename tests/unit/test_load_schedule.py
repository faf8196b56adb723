"""An open-loop schedule is the same for one Locust process and for many, and whatever is not sent of it is counted."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from locust_process import Locust, free_port, locust

from rig.ledger import layout
from rig.ledger.reader import read_ledger
from rig.load.schedule.arrivals import SECOND_NS
from rig.load.schedule.read_arrivals import from_text, parse
from rig.load.schedule.slice import Share, here

OPEN = ("-f", "loadtests/bursts.py", "--headless", "--only-summary")
RUN = "0badcafe"


def slots(run: Locust) -> list[Any]:
    return [slot for segment in read_ledger(run.ledger).segments for slot in segment.slots]


def planned(run: Locust) -> list[int]:
    """Every planned time of the ledger, in nanoseconds after the first."""
    times = sorted(int(slot["w"][layout.PLANNED - 5]) for slot in slots(run))
    return [due - times[0] for due in times]


def expected(text: str) -> list[int]:
    times = list(parse(from_text(text), f"{RUN}/Bursts").times())
    return [due - times[0] for due in times]


def said(run: Locust) -> tuple[int, int, int]:
    """Sent, late and unsent, as the end of the output has it."""
    (found,) = re.findall(r"(\d+) tasks sent; (\d+) over 10 ms later than planned, (\d+) planned but not", run.output)
    sent, late, unsent = map(int, found)
    return sent, late, unsent


@pytest.mark.parametrize("text", ["poisson rate=100 seconds=2", "bursts period=1 size=40 seconds=2"])
@pytest.mark.parametrize("processes", ["", "3"])
def test_one_process_and_three_send_the_same_schedule(tmp_path: Path, text: str, processes: str) -> None:
    options = ("--processes", processes) if processes else ()
    with locust(tmp_path, *OPEN, "--arrivals", text, *options, RIG_RUN_ID=RUN) as run:
        wait_until(lambda: len(slots(run)) >= len(expected(text)))
        run.signal_all(signal.SIGTERM)
        assert run.wait() == 0, run.output
        sends = run.sends()
    assert planned(run) == expected(text)
    assert said(run)[0] == len(sends)
    assert said(run)[2] == 0
    shares = [sum(send.publisher == number for send in sends) for number in range(int(processes or 1))]
    assert sum(shares) == len(sends)
    assert max(shares) - min(shares) <= 1


def test_a_process_without_users_of_a_class_has_no_share_of_its_schedule(tmp_path: Path) -> None:
    """Two users of the class for three processes: the total is what it is."""
    text = "constant rate=60 seconds=2"
    with locust(tmp_path, *OPEN, "-u", "2", "--processes", "3", "--arrivals", text, RIG_RUN_ID=RUN) as run:
        wait_until(lambda: len(slots(run)) >= 120)
        run.signal_all(signal.SIGTERM)
        assert run.wait() == 0, run.output
        publishers = {send.publisher for send in run.sends()}
    assert planned(run) == expected(text)
    assert said(run)[2] == 0
    assert len(publishers) == 2


STUCK = """
import gevent
from locust import task
from rig.load.celery_user import OpenLoopUser

class Stuck(OpenLoopUser):
    arrivals = "constant rate=200 seconds=1"

    def on_start(self):
        self.environment.celery_rig.session.sender._send_task = lambda *_, **__: gevent.sleep(0.7)
        super().on_start()

    @task
    def one(self):
        self.celery.send("app.noop", queue="short")
"""


@pytest.mark.parametrize("processes", ["", "2"])
def test_late_and_unsent_arrivals_are_counted_in_every_process(tmp_path: Path, processes: str) -> None:
    load = tmp_path / "stuck.py"
    load.write_text(STUCK)
    options = ("--processes", processes) if processes else ()
    with locust(tmp_path, "-f", str(load), *OPEN[2:], *options) as run:
        wait_until(lambda: len(slots(run)) > 20)  # ten users, a send in 0.7 s each: all are due by then
        run.signal_all(signal.SIGTERM)
        assert run.wait() == 0, run.output
        recorded = len(run.sends())
    sent, late, unsent = said(run)
    assert sent == recorded
    assert sent + unsent == 200
    assert unsent > 100
    assert 0 < late < sent


def test_a_worker_that_dies_takes_its_share_along_and_that_is_said(tmp_path: Path) -> None:
    text = "constant rate=50 seconds=6"
    with locust(tmp_path, *OPEN, "--arrivals", text, "--processes", "2", RIG_RUN_ID=RUN) as run:
        wait_until(lambda: len(slots(run)) >= 200)  # four seconds: it has reported once
        psutil.Process(run.process.pid).children()[0].kill()
        time.sleep(3)
        run.signal_all(signal.SIGTERM)
        run.wait()
    sent, _, unsent = said(run)
    assert sent + unsent == 300
    assert 150 <= sent < 300
    assert sent == run.requests()
    (lost,) = re.findall(r"was lost: (\d+) arrivals of its share were not sent", run.output)
    assert int(lost) == unsent
    times = planned(run)
    assert len(times) == len(set(times))  # nobody has sent the others' shares
    assert "Traceback" not in run.output


def test_a_worker_that_joins_changes_nothing(tmp_path: Path) -> None:
    port, text = str(free_port()), "constant rate=50 seconds=6"
    master = ("--master", "--expect-workers", "1", "--enable-rebalancing", "--master-bind-port", port)
    worker = (*OPEN[:2], "--worker", "--master-port", port)
    with (
        locust(tmp_path, *OPEN, "-t", "9s", "--arrivals", text, *master, RIG_RUN_ID=RUN) as run,
        locust(tmp_path, *worker),
    ):
        wait_until(lambda: len(slots(run)) > 0)
        with locust(tmp_path, *worker):
            run.wait_for("(index 1) reported as ready")
            wait_until(lambda: len(slots(run)) >= 300)
            run.process.terminate()
            before = run.output
            assert run.wait() == 0, run.output
            run.output = before + run.output
    assert planned(run) == expected(text)
    assert said(run)[0] + said(run)[2] == 300


def test_bad_schedules_keep_it_from_starting_and_all_are_named(tmp_path: Path) -> None:
    load = tmp_path / "load.py"
    load.write_text(
        "from rig.load.celery_user import OpenLoopUser\n"
        "class A(OpenLoopUser): pass\n"
        "class B(OpenLoopUser): arrivals = 'bursts size=0 speed=1'\n"
    )
    for options in ((), ("--processes", "2")):
        with locust(tmp_path, "-f", str(load), *OPEN[2:], "-t", "3s", *options) as run:
            assert run.wait() == 2, run.output
        errors = [line for line in run.output.splitlines() if line.startswith("error: ")]
        named = ["A: no arrivals", "B: arrivals.speed", "B: arrivals.period", "B: arrivals.size"]
        assert all(line.startswith(f"error: {name}") for line, name in zip(errors, named, strict=True)), errors
        assert "Traceback" not in run.output
    with locust(tmp_path, "-f", str(load), *OPEN[2:], "-t", "3s", "--arrivals", "often") as run:
        assert run.wait() == 2, run.output
    assert run.output.count("error: ") == 1
    assert "error: --arrivals: arrivals.kind: 'often'" in run.output


def test_a_schedule_that_had_no_time_to_begin_is_said(tmp_path: Path) -> None:
    with locust(tmp_path, *OPEN, "-u", "90", "-r", "1", "-t", "2s") as run:
        assert run.wait() == 0, run.output
    assert "schedules that never began, for want of users or of time: Bursts" in run.output
    assert said(run) == (0, 0, 0)


def test_each_start_begins_its_schedule_anew(tmp_path: Path) -> None:
    with locust(tmp_path, *OPEN[:2], "--only-summary", "--arrivals", "bursts period=1 size=9 seconds=1") as run:
        run.wait_for("Starting web interface")
        for turn in (1, 2):
            wait_until(lambda: run.ask("/swarm", b"user_count=3&spawn_rate=3")[0] == 200)
            wait_until(lambda turn=turn: len(slots(run)) == 9 * turn)
            run.ask("/stop", b"")
        run.process.terminate()
        assert run.wait() == 0, run.output
        sends = run.sends()
    assert sorted(send.turn for send in sends) == [1] * 9 + [2] * 9
    assert "Traceback" not in run.output


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("waited 90 s")


def test_what_a_leaving_user_took_goes_to_another() -> None:
    woken: list[int] = []
    share = Share(parse({"kind": "constant", "rate": 1, "seconds": 3}))
    assert share.take(lambda: woken.append(1)) == 0
    share.begin(7 * SECOND_NS, 0, 1)
    assert woken == [1]
    first, second = (share.take(lambda: None) for _ in range(2))
    assert (first, second) == (7 * SECOND_NS, 8 * SECOND_NS)
    share.give_back(first)
    assert share.take(lambda: None) == first
    share.give_back(second)
    assert share.missed(8 * SECOND_NS) == 1


def test_another_host_begins_by_the_date() -> None:
    start = {"boot": "not this one", "monotonic_ns": 5, "wall_ns": time.time_ns() + 60 * SECOND_NS}
    before = time.monotonic_ns()
    begins = here(start)
    assert before + 59 * SECOND_NS < begins < time.monotonic_ns() + 61 * SECOND_NS
    same = start | {"boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip()}
    assert here(same) == 5
