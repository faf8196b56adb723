"""A Celery loader that attaches the ledger, chosen by the environment alone.

    CELERY_LOADER=rig.instrument.loader:Loader
    RIG_LEDGER_DIR   where the segments go; unset: Celery's own loader and nothing attached
    RIG_ROLE         names this process's part in segments and metrics (default: the program's name)
    RIG_RUN_ID       stands in each segment's header
    RIG_SETTINGS     JSON object of Celery settings that override the app's own

Celery asks CELERY_LOADER for every app of a process, worker or client (celery/app/base.py, `_get_default_loader`);
an app that names a loader itself, `Celery(loader=...)`, is not reached.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from celery import signals
from celery.loaders.app import AppLoader

from rig.instrument import publisher
from rig.ledger.writer import Writer

_writer: Writer | None = None


class Loader(AppLoader):  # type: ignore[misc]
    """Celery's default loader, with the ledger attached when RIG_LEDGER_DIR is set."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        override_settings(app, os.environ.get("RIG_SETTINGS", ""))
        writer = process_writer()
        if writer is None:
            return
        publisher.attach(app, writer)
        signals.worker_init.connect(lambda sender, **_: _attach_worker(sender, app, writer), weak=False)


def _attach_worker(starting: Any, app: Any, writer: Writer) -> None:
    if starting.app is not app:
        return  # importing the gevent or eventlet pool sets up logging, and so Celery's default app beside this one
    # Only now: importing celery.worker while the app is being made leaves a gevent worker with a crawl of one task
    # a second (measured with celery 5.7.0 and an otherwise empty loader), and a client has no use for it.
    from rig.instrument import worker

    worker.attach(app, writer)


def process_writer() -> Writer | None:
    """Return the ledger of this process as the environment asks for it; None if it does not."""
    global _writer
    directory = os.environ.get("RIG_LEDGER_DIR")
    if not directory:
        return None
    if _writer is None:
        if not Path(directory).is_dir():
            print(f"celery-rig: RIG_LEDGER_DIR={directory} is no directory: nothing is recorded", file=sys.stderr)
            return None
        role = os.environ.get("RIG_ROLE") or Path(sys.argv[0]).stem
        _writer = Writer(Path(directory), role, os.environ.get("RIG_RUN_ID", ""))
    return _writer


def override_settings(app: Any, text: str) -> None:
    """Lay the JSON object `text` over the app's configuration, whenever that is loaded.

    Raises ValueError when `text` is not JSON and TypeError when it is no object.
    """
    if not text:
        return
    settings = json.loads(text)
    if not isinstance(settings, dict):
        raise TypeError(f"RIG_SETTINGS must be a JSON object of Celery settings, not {text!r}")
    app.on_after_configure.connect(lambda sender, **_: sender.conf.update(settings), weak=False)
