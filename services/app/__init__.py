"""The reference Celery application: `celery -A app worker|beat|flower`.

It knows nothing of the rig that loads and measures it: that attaches from outside, by CELERY_LOADER.
"""

from celery import Celery
from celery.signals import after_task_publish, beat_init

from app.healthcheck import BEAT_MARK

app = Celery("app", include=["app.tasks"])
app.config_from_object("app.celeryconfig")


@beat_init.connect
def mark_what_beat_publishes(**_):
    """Let beat's health check see that messages reach the broker, and not only that the clock ticks."""
    after_task_publish.connect(lambda **_: BEAT_MARK.touch(), weak=False)
