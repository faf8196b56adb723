"""The ways to send a task end in the same message, with the id and the queue that the sender chose."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from celery.app.task import Task

from rig.load.send.calls import CALLS, Calls

ID = "0badcafe-0001-4000-8000-000000000000"


class App(Celery):
    """Keeps what its `send_task` gets."""

    def __init__(self) -> None:
        super().__init__("calls", broker="memory://", set_as_current=False)
        self.got: list[tuple[str, Any, Any, dict[str, Any]]] = []

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> None:
        self.got.append((name, args, kwargs, options))


@pytest.mark.parametrize("way", CALLS)
def test_id_queue_and_options_reach_send_task_every_time(way: str) -> None:
    app = App()
    call = Calls(app)[way]
    for number in range(3):
        call("app.spin", [number], {"b": 2}, task_id=f"{ID}{number}", queue="q", ignore_result=True, producer="p")
    for number, (name, args, kwargs, options) in enumerate(app.got):
        assert (name, list(args), kwargs) == ("app.spin", [number], {"b": 2})
        assert (options["task_id"], options["queue"]) == (f"{ID}{number}", "q")
        assert (options["ignore_result"], options["producer"]) == (True, "p")


@pytest.mark.parametrize(("way", "expected"), [("send_task", []), ("apply_async", [1]), ("delay", [0, 1])])
def test_each_way_is_really_the_one_it_is_called(
    way: str, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    went: list[int] = []
    for number, name in enumerate(("delay", "apply_async")):
        real = getattr(Task, name)

        def noted(*args: Any, _real: Any = real, _number: int = number, **kwargs: Any) -> Any:
            went.append(_number)
            return _real(*args, **kwargs)

        monkeypatch.setattr(Task, name, noted)
    Calls(App())[way]("app.noop", [], {}, task_id=ID, queue="q")
    assert went == expected


def test_ways_may_follow_one_another_in_one_app() -> None:
    app = App()
    calls = Calls(app)
    for way in (*CALLS, *CALLS):
        calls[way]("app.noop", [], {}, task_id=ID, queue="q")
    assert [options["task_id"] for *_, options in app.got] == [ID] * 6
    with pytest.raises(ValueError, match="'fly' is no way to send"):
        calls["fly"]


def test_a_task_object_is_of_the_sending_app_and_of_its_settings() -> None:
    app = App()
    app.conf.task_ignore_result = True
    Calls(app)["delay"]("app.noop", [], {}, task_id=ID, queue="q")
    ((*_, options),) = app.got
    assert options["task_type"].app is app
    assert options["ignore_result"] is True
