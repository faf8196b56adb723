"""Messages that no task is made of: each is counted, whatever a stranger wrote into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kombu.message import Message

from rig.instrument import rare_hooks
from rig.ledger import layout
from rig.ledger.account import Account, account
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from rig.ledger.writer import Writer

ODD = ["", 7, None, [], {}, "x" * 5000, "é" * 18, "\ud800"]


def draw(directory: Path) -> Account:
    ledger = read_ledger(directory)
    return account(build(ledger), ledger)


@pytest.mark.parametrize("task_id", ODD)
@pytest.mark.parametrize("name", ["app.gone", "", 7, None, "n" * 5000, "\ud800"])
def test_an_unknown_task_is_foreign_and_no_damage(tmp_path: Path, task_id: Any, name: Any) -> None:
    writer = Writer(tmp_path, "short")
    messages = [Message(delivery_info={"routing_key": key}) for key in ("short", None, 7, ["short"])]
    for message in messages:
        rare_hooks.on_unknown(writer, message=message, name=name, id=task_id)
        words, base = message.rig_slot
        assert words[base + layout.OUTCOME] == layout.OUTCOME_CODE["unknown"]
    drawn = draw(tmp_path)
    assert (drawn.invalid, drawn.foreign, drawn.unexpected, drawn.lost) == ([], len(messages), [], [])


@pytest.mark.parametrize("headers", [None, {}, {"id": "x"}])
def test_a_message_that_names_no_task_is_foreign(tmp_path: Path, headers: Any) -> None:
    writer = Writer(tmp_path, "short")
    rare_hooks.on_rejected(writer, message=Message(headers=headers, delivery_info={"routing_key": "short"}), exc=None)
    drawn = draw(tmp_path)
    assert (drawn.invalid, drawn.foreign) == ([], 1)


def test_a_known_task_that_is_rejected_keeps_its_slot(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "short")
    message = Message(delivery_info={"routing_key": "short"})
    slot = message.rig_slot = writer.claim_received("x", writer.kind("a", "short"), 0, 1)
    rare_hooks.on_rejected(writer, message=message, exc=ValueError())
    assert message.rig_slot is slot
    assert len(build(read_ledger(tmp_path))) == 1


def test_a_task_of_our_own_is_not_foreign_when_its_worker_does_not_know_it(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "short")
    words, base = writer.claim_send("x" * 5000, writer.kind("app.gone", "short"))
    words[base + layout.SENT] = words[base + layout.PUBLISHED] = 1
    message = Message(delivery_info={"routing_key": "short"})
    rare_hooks.on_unknown(writer, message=message, name="app.gone", id="x" * 5000)
    drawn = draw(tmp_path)
    assert (drawn.sent, drawn.expired, drawn.foreign) == (1, 1, 0)
