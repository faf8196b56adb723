"""Makes a Locust process ready to load Celery: its options, its checks, its lifecycle."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

import gevent
import psutil  # type: ignore[import-untyped]  # Locust needs it, too
from locust.runners import MasterRunner, WorkerRunner

from rig.errors import BadInput
from rig.load.schedule import precision
from rig.load.send.session import refuse
from rig.load.send.target import resolve
from rig.load.users.lifecycle import Lifecycle

DEFAULT_USERS = 10  # Locust's own default, 1, would run one class of users only
DEFAULT_RATE = 10.0  # tasks a second and user
STOP_TIMEOUT = 10.0  # seconds that users have to end what they are at: a send that is cut off is indeterminate


def add_arguments(parser: Any) -> None:
    """Add what a load on Celery can be told on the command line and in the web UI."""
    parser.add_argument(
        "--tasks-per-second", type=float, default=DEFAULT_RATE, metavar="N",
        help=f"Most tasks that a closed-loop user sends in a second (default {DEFAULT_RATE:g}). 0: as fast as it can",
    )  # fmt: skip
    parser.add_argument(
        "--arrivals", default="", metavar="SCHEDULE",
        help="Schedule of each class of open-loop users, for all of them together, in place of the load file's: "
        "'poisson rate=50', 'ramp from=10 to=200 seconds=60', … (docs/loads.md has all kinds)",
    )  # fmt: skip
    hidden = {"help": argparse.SUPPRESS, "include_in_web_ui": False}
    parser.add_argument("--rig-run", default="", **hidden)
    parser.add_argument("--rig-turn", type=int, default=0, **hidden)


def prepare(environment: Any, **_: Any) -> None:
    """Make a Locust process ready to load Celery; exit with 2 and a line for each problem if that cannot be.

    A listener of Locust's `init` event. The lifecycle it makes is the environment's `celery_rig`.
    """
    options, runner = environment.parsed_options, environment.runner
    if options.num_users is None:
        options.num_users = DEFAULT_USERS
    if options.spawn_rate is None:
        options.spawn_rate = DEFAULT_USERS
    environment.stop_timeout = environment.stop_timeout or STOP_TIMEOUT
    gevent.signal_handler(signal.SIGINT, _interrupt)
    precision.install()
    forked = bool(options.processes) and isinstance(runner, WorkerRunner)  # then the master speaks for all
    try:
        environment.celery_rig = lifecycle = Lifecycle(environment, resolve())
        # A web UI may be there before the workers: whether they have declared their queues is checked at each start.
        problems = [] if forked else lifecycle.check(lifecycle.queues if options.headless else ())
    except BadInput as error:
        problems = error.problems
    if problems and not forked:
        refuse(problems)
        _dismiss_workers(environment)
        sys.exit(2)


def _interrupt() -> None:
    """Give Ctrl-C to the greenlet in which Locust waits for it.

    Python raises KeyboardInterrupt in whatever runs just then: as a rule a user who is sending.
    """
    gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())


def _dismiss_workers(environment: Any) -> None:
    """End the workers that --processes has forked: by themselves they look for their master for five minutes."""
    if environment.parsed_options.processes and isinstance(environment.runner, MasterRunner):
        for worker in psutil.Process().children():
            worker.terminate()
