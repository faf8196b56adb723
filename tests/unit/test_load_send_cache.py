"""An app with shortcuts sends the same bytes as without."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery
from kombu import Exchange, Queue

from rig.load.send.send_cache import READ_EACH_TIME, REMEMBERED, Settled

ID = "0badcafe-0001-4000-8000-000000000000"
OWN = "settled"  # memory:// is one broker for all tests of a process


@pytest.fixture
def app() -> Any:
    made = Celery("settled", broker="memory://", loader="app", set_as_current=False)
    made.amqp.queues.add(Queue(OWN, Exchange(OWN, type="direct"), routing_key=OWN))
    return made


def sent(app: Any, args: Any, kwargs: Any, **options: Any) -> Any:
    """The message that a consumer gets, without what is new in each."""
    app.send_task("app.spin", args, kwargs, task_id=ID, queue=OWN, ignore_result=True, **options)
    with app.connection() as connection:
        message = connection.default_channel.basic_get(OWN)
        message.ack()
    told = json.loads(json.dumps([message.headers, message.properties, message.body.decode()]))
    told[1].pop("delivery_tag")
    return told


ARGUMENTS = [
    ((), {}), ([], {}), (None, None), ((1, "two", [3]), {}), ([1], {"b": 2}), (("x" * 5000,), {"long": "y" * 5000}),
    (((((1, 2), 3), 4), 5), {"deep": {"er": {"and": {"deeper": 1}}}}),
]  # fmt: skip


@pytest.mark.parametrize(("args", "kwargs"), ARGUMENTS)
def test_the_message_is_the_same_every_time(app: Any, args: Any, kwargs: Any) -> None:
    plain = sent(app, args, kwargs, expires=60, root_id="r", headers={"x": 1})
    Settled(app)
    for _ in range(2):
        short = sent(app, args, kwargs, expires=60, root_id="r", headers={"x": 1})
        short[0]["expires"] = plain[0]["expires"]
        assert short == plain


@pytest.mark.parametrize("inside", [False, True])
def test_a_list_that_changes_is_shown_as_it_is(app: Any, inside: bool) -> None:
    Settled(app)
    changing = [1]
    args, shown = ((changing,), "({},)") if inside else (changing, "{}")
    assert sent(app, args, {})[0]["argsrepr"] == shown.format("[1]")
    changing.append(2)
    assert sent(app, args, {})[0]["argsrepr"] == shown.format("[1, 2]")


def test_what_is_remembered_is_bounded_and_is_that_very_tuple(app: Any) -> None:
    settled = Settled(app)
    for number in range(3 * REMEMBERED):
        assert sent(app, (number, "x"), {})[0]["argsrepr"] == f"({number}, 'x')"
    assert len(settled._reprs) <= REMEMBERED


def test_who_says_what_is_to_be_shown_is_obeyed(app: Any) -> None:
    Settled(app)
    assert sent(app, (1,), {}, argsrepr="(secret)")[0]["argsrepr"] == "(secret)"


def test_settings_that_are_read_for_each_send_are_at_hand(app: Any) -> None:
    Settled(app)
    assert {name: vars(app.conf)[name] for name in READ_EACH_TIME} == {
        "task_always_eager": False, "task_send_sent_event": False, "broker_pool_acquire_timeout": None,
    }  # fmt: skip
