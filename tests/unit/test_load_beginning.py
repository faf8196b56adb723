"""A test whose beginning was not like the rest says so; a steady one says nothing; nobody sends before all are warm."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from locust_process import locust

from rig.ledger import layout
from rig.ledger.reader import read_ledger
from rig.load.users import beginning
from rig.load.users.beginning import Beginning, Row, compare

HEADLESS = ("--headless", "--only-summary")
SAID = re.compile(r"the first (\S+) s were not like the rest: requests took (\S+) times as long")
EVERY_WAY = pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["alone", "two processes"])

RISING = """
import time
import gevent
from locust import task
from rig.load.celery_user import CeleryUser

class Rising(CeleryUser):
    sent = 0

    def on_start(self):
        self.celery._send_task = send_task

    @task
    def one(self):
        self.celery.send("app.noop", queue="short")

begun = 0.0

def send_task(*_, **__):
    global begun
    begun = begun or time.monotonic()
    gevent.sleep(0.02 if time.monotonic() - begun > SLOW_S else 0.2)
"""


def row(name: str, begun: np.ndarray, rest: np.ndarray) -> Row:
    def sums(values: np.ndarray) -> tuple[int, float, float]:
        return len(values), float(values.sum()), float((values**2).sum())

    return ("send", name, *sums(begun), *sums(rest))


def steady_test(dice: np.random.Generator, between: float) -> list[Row]:
    """Twenty seconds of a hundred requests; seconds differ from each other by a standard deviation of `between`."""
    seconds = dice.normal(1, 0.8, (20, 100)) + dice.normal(0, between, (20, 1))
    return [row("a", seconds[0], seconds[1:].ravel())]


def test_a_steady_test_is_rarely_said_to_be_another_and_a_slow_beginning_nearly_always_is() -> None:
    dice = np.random.default_rng(20261128)
    tests = [steady_test(dice, 0.15) for _ in range(1000)]
    assert sum(compare(rows) is not None for rows in tests) < 10
    doubled = [dice.normal(1, 0.8, (20, 100)) + dice.normal(0, 0.15, (20, 1)) for _ in range(200)]
    found = [compare([row("a", each[0] + np.log(2.5), each[1:].ravel())]) for each in doubled]
    assert sum(each is not None for each in found) > 190


def test_each_name_is_compared_with_itself_and_the_rows_of_all_processes_are_added() -> None:
    dice = np.random.default_rng(1)
    slow, fast = dice.normal(5, 0.1, 2000), dice.normal(1, 0.1, 2000)
    mixture = [row("slow", slow[:150], slow[150:200]), row("fast", fast[:10], fast[10:])]
    assert compare(mixture) is None  # though the mean of all requests in the run-in is many times that of the rest
    later = [row("fast", fast[:8] + np.log(3), fast[8:9]), row("fast", fast[9:17] + np.log(3), fast[17:])]
    found = compare(later)
    assert found is not None
    assert found.ratio == pytest.approx(3, rel=0.1)
    assert (found.begun, found.rest) == (16, 1984)
    assert compare(later[:1]) is None  # too few for a word


def test_a_request_belongs_where_it_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Beginning()
    now = 0
    monkeypatch.setattr(beginning, "monotonic_ns", lambda: now)
    kept.start()
    now = 900_000_000
    kept.record("send", "a", 1.0)
    kept.begin(500_000_000)  # so the run-in ends at 1.5 s
    now = 2_000_000_000
    kept.record("send", "a", 600.0)
    kept.record("send", "a", 400.0)
    kept.record("send", "a", 0.0)
    kept.record("send", "a", 1.0, exception=ValueError())
    ((_, _, begun, _, _, rest, _, _),) = kept.rows()
    assert (begun, rest) == (2, 2)
    assert kept.seconds == 1.5


@EVERY_WAY
def test_a_slow_beginning_is_said_in_the_last_line_and_a_steady_test_says_nothing(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    load = tmp_path / "rising.py"
    for slow_s in (2.5, 0.0):  # from a process's first send on, which is a moment before the run-in of a second begins
        load.write_text(RISING.replace("SLOW_S", str(slow_s)))
        with locust(tmp_path, "-f", str(load), *HEADLESS, "-t", "8s", *options) as run:
            assert run.wait() == 0, run.output
        assert len(SAID.findall(run.output)) == (slow_s > 0), run.output


COLD = """
import time
import gevent
from locust import task
from rig.load.send import sender
from rig.load.celery_user import OpenLoopUser

class Open(OpenLoopUser):
    arrivals = "constant rate=50 seconds=1"

    @task
    def one(self):
        self.celery.send("app.noop", queue="short")

warm = 0

def prime(self, **_):
    global warm
    warm += 1
    gevent.sleep(0.3 * warm)
    with open("WARM", "a") as file:
        print(time.monotonic_ns(), file=file)

sender.Sender.prime = prime
"""


@EVERY_WAY
def test_schedules_begin_when_every_user_is_warm(tmp_path: Path, options: tuple[str, ...]) -> None:
    """The slowest of eight (or of four a process) takes long; what is planned is planned for after that."""
    load = tmp_path / "cold.py"
    load.write_text(COLD.replace("WARM", str(tmp_path / "warm")))
    with locust(tmp_path, "-f", str(load), *HEADLESS, "-u", "8", "-r", "8", "-t", "7s", *options) as run:
        assert run.wait() == 0, run.output
        slots = [slot for segment in read_ledger(run.ledger).segments for slot in segment.slots]
    warm = [int(line) for line in (tmp_path / "warm").read_text().split()]
    assert (len(warm), len(slots)) == (8, 50)
    assert max(warm) < min(slot["w"][layout.PLANNED - 5] for slot in slots)
