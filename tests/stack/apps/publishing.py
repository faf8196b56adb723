"""In the container of a load generator: publishes, and stops twice so that the servers can be asked in between.

    python3 -c THIS WAY STORED USERS SENDS    WAY: application, or a call of rig.load.send.calls; STORED: 0 or 1

Prints a line when all connections are there, and sends when it reads one; again when all is sent, and ends likewise.
"""

import sys

way, stored, users, sends = sys.argv[1], *map(int, sys.argv[2:])
if way != "application":
    from gevent import monkey

    monkey.patch_all()

import os  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402

from celery import Celery  # noqa: E402
from kombu import Exchange, Queue  # noqa: E402

from rig.load.send.target import resolve  # noqa: E402

QUEUE, TASK = "publishing", "app.noop"


def ask_servers():
    print("ready", flush=True)
    sys.stdin.readline()


def as_an_application(target):
    """A loop over an application of Celery's that shares nothing with the rig but the addresses."""
    app = Celery("application", broker=target.broker_url, backend=target.result_url, loader="app")
    app.conf.broker_heartbeat = 0
    if target.broker_url.startswith("amqp"):
        app.conf.broker_transport_options = {"confirm_publish": True}
    app.conf.task_queues = [Queue(QUEUE, Exchange(QUEUE), routing_key=QUEUE, no_declare=True)]
    app.send_task(TASK, queue=QUEUE, ignore_result=not stored)
    ask_servers()
    for _ in range(sends):
        app.send_task(TASK, queue=QUEUE, ignore_result=not stored)
    ask_servers()


def as_the_rig(target):
    """As a load's users send: each warm, in a greenlet of its own."""
    import gevent
    from gevent.event import Event

    from rig.load.send.session import Session

    warm, go = [], Event()
    session = Session(target, lambda **_: None)
    sender = session.begin(1, queues=[QUEUE], call=way)

    def work():
        sender.prime(ignore_result=not stored)
        warm.append(1)
        go.wait()
        for _ in range(sends):
            sender.send(TASK, queue=QUEUE, ignore_result=not stored)

    everybody = [gevent.spawn(work) for _ in range(users)]
    while len(warm) < users:
        gevent.sleep(0.01)
    ask_servers()
    go.set()
    gevent.joinall(everybody, raise_error=True)
    assert sender.tally.published == users * sends, vars(sender.tally)
    ask_servers()


@contextmanager
def queue(target):
    """A queue that nobody consumes."""
    from rig.load.send.client import make_app

    with make_app(target).connection_for_write() as connection, connection.channel() as channel:
        arguments = {"x-queue-type": "quorum"} if target.broker_url.startswith("amqp") else None
        made = Queue(QUEUE, Exchange(QUEUE), routing_key=QUEUE, queue_arguments=arguments, channel=channel)
        made.declare()
    try:
        yield
    finally:
        with make_app(target).connection_for_write() as connection, connection.channel() as channel:
            made.bind(channel).delete()


Path(os.environ["RIG_LEDGER_DIR"]).mkdir(exist_ok=True)
place = resolve()
with queue(place):
    (as_an_application if way == "application" else as_the_rig)(place)
