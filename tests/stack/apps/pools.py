"""Tasks that end in every way a task can end, on the deployment's own app: `celery -A pools worker`."""

import os
import signal
import time

from app import app
from celery import chain, chord, group
from celery.exceptions import Ignore, Reject

# The deployment's soft time limit is above the hard one of `hang`, which Celery refuses.
app.conf.update(task_default_queue=os.environ["POOLS_QUEUE"], task_routes={}, task_soft_time_limit=None)


@app.task(name="pools.add", ignore_result=False)  # a chord needs its header's results
def add(*numbers):
    return sum(numbers)


@app.task(name="pools.fail")
def fail():
    raise ValueError("always")


@app.task(name="pools.again", bind=True, max_retries=2)
def again(self):
    if self.request.retries < 1:
        raise self.retry(countdown=0)


@app.task(name="pools.reject", bind=True)
def reject(self):  # noqa: ARG001 - a bound task
    raise Reject("unwanted", requeue=False)


@app.task(name="pools.ignore")
def ignore():
    raise Ignore


@app.task(name="pools.later")
def later():
    """Sent with a countdown or after its time; revoked or expired before it runs."""


@app.task(name="pools.family")
def family():
    """Have children of every kind."""
    chain(add.si(1), add.si(2))()
    group(add.si(3), add.si(4))()
    chord([add.si(5), add.si(6)])(add.si(7))
    add.chunks([(8, 1), (8, 2), (8, 3)], 2)()


@app.task(name="pools.die")
def die():
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="pools.hang", time_limit=1)
def hang():
    time.sleep(30)
