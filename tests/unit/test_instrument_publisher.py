"""What an app sends is stamped, and nothing that a caller can pass makes the stamping raise or leaves damage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic_ns
from typing import Any

import pytest
from celery import Celery

from rig.instrument.publisher import NEVER, expiry, recorded
from rig.ledger.account import account
from rig.ledger.reader import SEND_SLOT, as_slots, as_words, read_ledger
from rig.ledger.tasks import build
from rig.ledger.writer import Writer, pack_id


@pytest.mark.parametrize(
    "options",
    [
        {"task_id": "é"}, {"task_id": 7}, {"task_id": "x" * 5000}, {"parent_id": 7}, {"parent_id": "\ud800"},
        {"retries": -1}, {"retries": "many"}, {"queue": "\ud800"}, {"expires": 1e300}, {"expires": "no date"},
        {"expires": datetime(1970, 1, 1, tzinfo=UTC)}, {"expires": timedelta(seconds=5)}, {"expires": float("nan")},
    ],
)  # fmt: skip
def test_whatever_the_options_are_the_send_is_recorded_and_its_slot_is_sound(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    got: list[dict[str, Any]] = []
    app = Celery("t", broker="memory://", set_as_current=False)
    send = recorded(app, lambda *_, **passed: got.append(passed), Writer(tmp_path, "client"))
    send("app.noop", **options)
    (passed,) = got
    assert {name: passed[name] for name in options} == options
    ledger = read_ledger(tmp_path)
    drawn = account(build(ledger), ledger)
    assert (drawn.invalid, drawn.sent, drawn.confirmed) == ([], 1, 1)
    (segment,) = ledger.segments
    (slot,) = as_slots(as_words(segment.slots), SEND_SLOT)
    assert bytes(slot["id"]) == pack_id(passed["task_id"])
    assert bytes(slot["parent"]) == (pack_id(options["parent_id"]) if "parent_id" in options else b"")


def test_when_a_task_expires_is_a_stamp() -> None:
    now = monotonic_ns()
    assert expiry(now, 5) == now + 5 * 10**9
    assert abs(expiry(now, datetime.now(UTC) + timedelta(seconds=50)) - now - 50 * 10**9) < 10**9
    assert expiry(now, datetime(1970, 1, 1, tzinfo=UTC)) == 1
    assert expiry(now, 1e200) == NEVER
    assert expiry(now, 1e300) == 0  # no number of nanoseconds any more
    assert expiry(now, "no date") == 0
