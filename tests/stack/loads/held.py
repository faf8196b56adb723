"""Tasks that hold a process of the early-acking `short` worker for a while: when it is killed, some are running."""

from __future__ import annotations

from locust import task

from rig.load.celery_user import CeleryUser


class Held(CeleryUser):
    queues = ("short",)

    @task
    def hold(self) -> None:
        self.celery.send("app.fetch", (0.3,), queue="short")
