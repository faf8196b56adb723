"""The ways of an application to send a task: `Celery.send_task` by name, or a task's own `apply_async` or `delay`.

Each is a function with the signature of `send_task`. The last two really go through Celery's `Task`, with a task object
of that name which belongs to the sending app. Its function takes any arguments: Celery's check of them finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

SEND_TASK, APPLY_ASYNC, DELAY = CALLS = ("send_task", "apply_async", "delay")

Call = Callable[..., Any]


class Calls(dict[str, Call]):
    """What sends through `app`, by the name of the way."""

    def __init__(self, app: Any) -> None:
        super().__init__({SEND_TASK: app.send_task})
        self._app = app

    def __missing__(self, way: str) -> Call:
        if way not in CALLS:
            raise ValueError(f"{way!r} is no way to send: {', '.join(CALLS)}")
        app = self._app
        call = self[way] = _delay(_Tasks(app, _addressed(app))) if way == DELAY else _apply_async(_Tasks(app, app.Task))
        return call


class _Tasks(dict[str, Any]):
    """Task objects by name, each made when it is first asked for."""

    def __init__(self, app: Any, base: type) -> None:
        super().__init__()
        self._app, self._base = app, base

    def __missing__(self, name: str) -> Any:
        app = self._app
        app.tasks.pop(name, None)  # of another way
        app.task(_anything, name=name, base=self._base, shared=False)
        task = self[name] = app.tasks[name]  # itself, and not the proxy that the decorator returns
        return task


def _anything(*_: Any, **__: Any) -> None:
    """Stand in for a task's function, which runs elsewhere."""


def _apply_async(tasks: _Tasks) -> Call:
    def send(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], **options: Any) -> Any:
        return tasks[name].apply_async(args, kwargs, **options)

    return send


def _delay(tasks: _Tasks) -> Call:
    def send(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], **options: Any) -> Any:
        task = tasks[name]
        task.address = options  # nothing between here and its use lets another greenlet run
        return task.delay(*args, **kwargs)

    return send


def _addressed(app: Any) -> type:
    class Addressed(app.Task):  # type: ignore[misc]
        """`delay` takes no options, so id and queue, which the ledger has to know, join on the way to apply_async."""

        abstract = True
        address: Mapping[str, Any]

        def apply_async(self, args: Any = None, kwargs: Any = None, **_: Any) -> Any:
            return super().apply_async(args, kwargs, **self.address)

    return Addressed
