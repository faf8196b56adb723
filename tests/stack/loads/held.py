"""Tasks that keep the processes of the early-acking `short` worker busy: whenever it is killed, some are running."""

from __future__ import annotations

from locust import task

from rig.load.celery_user import CeleryUser


class Held(CeleryUser):
    queues = ("short",)

    @task
    def hold(self) -> None:
        self.celery.send("app.fetch", (2.0,), queue="short")
