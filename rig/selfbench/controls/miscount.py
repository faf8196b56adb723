"""In a worker: executes one task twice and another one not at all.

The setting rig_posts_a_round says how many turn numbers of task ids (`rig.experiment.turn.post_number`) a round has;
the warm-up has as many. The first task of round 1 runs, and is then given back to the queue as by a worker that dies
before it acknowledges: the broker delivers it once more. The first task of round 2 is acknowledged and not executed, as
by a worker that dies afterwards. So the account has one task that is duplicated and one that is lost, and the run ends
in round 2, waiting for that one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from celery import signals
from celery.utils.log import get_logger

from rig.load.ids import origin
from rig.selfbench.controls import setting

SETTING = "rig_posts_a_round"
TWICE, NEVER = 1, 2  # rounds

Strategy = Callable[..., Any]
logger = get_logger(__name__)


class Miscount:
    """Wraps a strategy, which is what a consumer calls with each message of a task, until both have happened."""

    def __init__(self, posts_a_round: int) -> None:
        self._posts_a_round = posts_a_round
        self._done: set[int] = set()

    def wrap(self, strategy: Strategy, errors: tuple[type[Exception], ...]) -> Strategy:
        """Return the strategy that miscounts; `errors` are those of a connection that is gone."""

        def miscounting(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
            what = self._next(message.headers["id"])
            if what == NEVER:
                return ack(logger, errors)
            if what == TWICE:
                ack = partial(_give_back, reject)
            return strategy(message, body, ack, reject, callbacks)

        return miscounting

    def _next(self, task_id: str) -> int:
        """Return the round whose first task this is, if something happens to that; else 0."""
        known = origin(task_id)
        number = known.turn // self._posts_a_round if known else 0
        if number not in (TWICE, NEVER) or number in self._done:
            return 0
        self._done.add(number)
        return number


def _give_back(reject: Any, log: Any, errors: Any) -> None:
    reject(log, errors, True)


def _attach(sender: Any, **_: Any) -> None:
    miscount = Miscount(int(setting(SETTING)))
    for task in sender.app.tasks.values():
        task.start_strategy = partial(_start, miscount, task.start_strategy)


def _start(miscount: Miscount, start: Strategy, app: Any, consumer: Any, **options: Any) -> Strategy:
    return miscount.wrap(start(app, consumer, **options), consumer.connection_errors)


if setting(SETTING):
    signals.worker_init.connect(_attach, weak=False)
