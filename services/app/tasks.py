"""The reference tasks. Each has an explicit name, JSON arguments, and says what it promises when a worker dies.

noop, echo, spin, fail and retry_once go to `short`, sleep to `long`, fetch to `io` (celeryconfig.task_routes);
`queue=` sends any of them anywhere.
"""

import time

from celery.utils.log import get_task_logger

from app import app
from app.celeryconfig import DEAD_LETTERS, QUEUES
from app.healthcheck import CANARY_MARK

logger = get_task_logger(__name__)


@app.task(name="app.noop")
def noop():
    """Do nothing. No `ignore_result` of its own: whether a result is stored follows the global setting."""


@app.task(name="app.echo", ignore_result=False)
def echo(value):
    """Return `value`: the one task here whose result somebody reads, so it opts in."""
    return value


# Late acks, and back to the queue when the pool process is killed, as by the OOM killer: without the second, late acks
# alone lose such a task, since Celery acks it as failed. Hence it may run twice: only an idempotent task may do this.
# https://docs.celeryq.dev/en/stable/userguide/tasks.html#Task.reject_on_worker_lost
@app.task(name="app.sleep", acks_late=True, reject_on_worker_lost=True)
def sleep(seconds):
    """Hold a pool process for `seconds`: a long task that is safe to run twice."""
    time.sleep(seconds)


@app.task(name="app.spin")
def spin(seconds):
    """Burn `seconds` of CPU time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@app.task(name="app.fetch")
def fetch(seconds):
    """Wait `seconds` without using CPU, as for an answer from the network."""
    time.sleep(seconds)


@app.task(name="app.fail")
def fail():
    """Raise, always."""
    raise RuntimeError("app.fail raises, always")


@app.task(name="app.retry_once", bind=True, max_retries=1)
def retry_once(self):
    """Ask for one retry, then succeed."""
    if self.request.retries == 0:
        raise self.retry(countdown=0)


@app.task(name="app.canary")
def canary(queue):
    """Mark that `queue` is consumed here; the container's health check looks at how old the mark is."""
    CANARY_MARK.write_text(queue)


@app.task(name="app.report_queues", ignore_result=False)
def report_queues():
    """Count what waits in each queue, warn of dead letters, and return {queue: messages}."""
    waiting = {}
    with app.connection_for_read() as connection:
        for name in (*QUEUES, DEAD_LETTERS):
            try:
                with connection.channel() as channel:
                    waiting[name] = channel.queue_declare(queue=name, passive=True).message_count
            except connection.channel_errors:
                waiting[name] = 0  # there is no such queue: on Redis a queue is there while something is in it
    if waiting.get(DEAD_LETTERS):
        logger.warning("%d dead letters wait in %r", waiting[DEAD_LETTERS], DEAD_LETTERS)
    logger.info("messages waiting: %s", waiting)
    return waiting
