"""What a user does between its tasks, and what its sends are given."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from rig.load import celery_user
from rig.load.celery_user import CeleryUser, Planned

BEAT = 100_000_000
TASK = 3_000_000


class Ten(CeleryUser):
    """Sends ten a second at most; notes when it would wait until."""

    abstract = True

    def __init__(self) -> None:
        options = SimpleNamespace(tasks_per_second=10.0)
        session = SimpleNamespace(sender=None)
        super().__init__(SimpleNamespace(parsed_options=options, celery_rig=SimpleNamespace(session=session)))
        self.waits: list[int] = []  # type: ignore[misc,assignment]

    def wait_until(self, due_ns: int) -> float:
        """Wait no time at all."""
        self.waits.append(due_ns)
        return 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    own = SimpleNamespace(now=7 * BEAT)
    monkeypatch.setattr(celery_user, "monotonic_ns", lambda: own.now)
    return own


def sent(user: Ten, clock: SimpleNamespace, tasks: int) -> list[int]:
    """When a user sends whose first task is sent now."""
    times = []
    for _ in range(tasks):
        times.append(clock.now)
        clock.now += TASK
        user.wait_time()
        clock.now = max(clock.now, user.waits[-1])
    return times


def test_users_who_start_together_do_not_send_together(clock: SimpleNamespace) -> None:
    phases = []
    for user in (Ten() for _ in range(8)):
        clock.now = 7 * BEAT
        first, *rest = sent(user, clock, 5)
        assert first == 7 * BEAT
        assert {later - earlier for earlier, later in itertools.pairwise(rest)} == {BEAT}
        assert first < rest[0] <= first + BEAT + TASK
        phases.append(rest[0] % BEAT)
    phases.sort()
    assert min(b - a for a, b in itertools.pairwise(phases)) > BEAT / 20


def test_what_was_held_up_is_not_made_up_for_and_the_beat_stays(clock: SimpleNamespace) -> None:
    user = Ten()
    before = sent(user, clock, 3)[-1]
    clock.now = before + 5 * BEAT + BEAT // 2
    held_up, at_once, third, fourth = sent(user, clock, 4)
    assert held_up == before + 5 * BEAT + BEAT // 2
    assert at_once == held_up + TASK
    assert (third, fourth) == (before + 6 * BEAT, before + 7 * BEAT)


def test_an_open_loop_users_sends_are_planned_for_when_its_arrival_was() -> None:
    seen: list[dict[str, Any]] = []

    class Sender:
        tainted = False

        def send(self, task: str, *_: Any, **options: Any) -> str:
            seen.append(options)
            return task

    user: Any = SimpleNamespace(planned_ns=5)
    own = Planned(Sender(), user)  # type: ignore[arg-type]
    assert own.send("app.noop", queue="short") == "app.noop"
    user.planned_ns = 9
    own.send("app.noop", (1,), {})
    own.send("app.noop", planned_ns=3)
    assert [options["planned_ns"] for options in seen] == [5, 9, 3]
    assert own.tainted is False
