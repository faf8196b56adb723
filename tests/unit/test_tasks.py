"""One row a task: whatever the slots, build() says what a plain loop over them says, and so does every partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.ledger import group, layout, parts
from rig.ledger.parts import partitions
from rig.ledger.reader import RUN_SLOT, SEND_SLOT, Ledger, Slots, read_ledger
from rig.ledger.tasks import COUNTS, STAMPS, Tasks, build
from rig.ledger.writer import pack_id
from rig.selfbench import synthetic

# Few ids, so that tasks get many slots; two of them longer than a slot has room for.
IDS = [pack_id(text) for text in ("a", "b", "A" * 36, "A" * 35 + "B", "1" * 36, "2" * 50, "2" * 49 + "3")]
KINDS = [("", ""), ("noop", "short"), ("echo", "long")]
SUCCEEDED = layout.OUTCOME_CODE["succeeded"]
small = st.integers(0, 3)  # of few values, so that stamps are missing, equal and out of order

sends = st.fixed_dictionaries(
    {"type": st.just(layout.SEND), "id": st.sampled_from(IDS), "kind": st.integers(0, 2), "retries": small}
    | {"parent": st.sampled_from([b"", *IDS])} | dict.fromkeys((*layout.SEND_STAMPS, "expires"), small)
)  # fmt: skip
runs = st.fixed_dictionaries(
    {"type": st.just(layout.RUN), "id": st.sampled_from(IDS), "kind": st.integers(0, 2), "retries": small}
    | {"outcome": st.integers(0, 9)} | dict.fromkeys(layout.RUN_STAMPS, small)
)  # fmt: skip
Slot = dict[str, Any]
ledgers = st.lists(st.lists(st.one_of(sends, runs), max_size=12), max_size=4)
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

true_hash = group.hashes
HASHES: dict[str, Callable[[Any], Any]] = {
    "as it is": true_hash,
    "all the same": lambda words: np.zeros(len(words), np.uint64),
    "one of two": lambda words: true_hash(words) & np.uint64(1 << 63 | 1),
}


@MANY
@given(segments=ledgers, count=st.integers(1, 7), hashed=st.sampled_from(sorted(HASHES)))
def test_any_slots_in_any_number_of_parts(
    tmp_path_factory: pytest.TempPathFactory, segments: list[list[Slot]], count: int, hashed: str
) -> None:
    directory = tmp_path_factory.mktemp("ledger")
    for number, slots in enumerate(segments):
        # Every segment numbers its kinds in its own way.
        own = [KINDS[(place + number) % 3] for place in range(3)]
        synthetic.write_segment(directory / f"x-{number}.led", "x", as_array(slots), own)
        for slot in slots:
            slot["kind"] = own[slot["kind"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group, "hashes", HASHES[hashed])
        patch.setattr(parts, "hashes", HASHES[hashed])
        ledger = read_ledger(directory)
        whole = as_rows([build(ledger)])
        split = as_rows(partitions(ledger, directory, count))
    assert ledger.problems == []
    assert whole == by_hand([slot for slots in segments for slot in slots])
    assert split == whole
    assert not list(directory.glob("parts-*"))


def test_a_ledger_without_a_slot_has_no_tasks(tmp_path: Path) -> None:
    assert len(build(Ledger())) == 0
    assert as_rows(partitions(Ledger(), tmp_path)) == as_rows(partitions(Ledger(), tmp_path, 3)) == {}


def test_a_thousand_synthetic_tasks(tmp_path: Path) -> None:
    synthetic.make(tmp_path, 1000)
    tasks = build(read_ledger(tmp_path))
    assert len(tasks) == 1000
    assert tasks.sends.sum() == 1010
    assert (tasks.attempts == 2).sum() == 10
    assert (tasks.starts - tasks.attempts).sum() == 1
    assert (tasks.parent != b"").sum() == 50


def test_a_segment_that_shrinks_between_two_reads_is_no_silent_loss(tmp_path: Path) -> None:
    synthetic.make(tmp_path, 100)
    ledger = read_ledger(tmp_path)
    path = ledger.segments[0].path
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - layout.SLOT_BYTES)
    with pytest.raises(OSError, match="shorter"):
        build(ledger)


def as_array(slots: list[Slot]) -> Slots:
    """Return the slots, of both types, as they lie in a segment."""
    array = np.zeros(len(slots), SEND_SLOT)
    for place, slot in enumerate(slots):
        one = array[place : place + 1].view(SEND_SLOT if slot["type"] == layout.SEND else RUN_SLOT)
        for name, value in slot.items():
            one[name] = value
    return array


def as_rows(some: Iterable[Tasks]) -> dict[bytes, Slot]:
    """Return the rows by id, and fail when an id has two."""
    rows: dict[bytes, Slot] = {}
    for tasks in some:
        for place, task_id in enumerate(tasks.id.tolist()):
            assert task_id not in rows
            row = {name: int(getattr(tasks, name)[place]) for name in (*STAMPS, *COUNTS, "outcome")}
            row |= {"parent": tasks.parent[place], "kind": tasks.kinds[tasks.kind[place]]}
            rows[task_id] = row
    return rows


def by_hand(slots: list[Slot]) -> dict[bytes, Slot]:
    """Join without numpy: what `Tasks` promises, said once more."""
    rows = {}
    for task_id in {slot["id"] for slot in slots}:
        own = [slot for slot in slots if slot["id"] == task_id]
        sent = [slot for slot in own if slot["type"] == layout.SEND]
        ran = [slot for slot in own if slot["type"] == layout.RUN]
        started = [slot for slot in ran if slot["started"]]
        first_send = min(sent, key=lambda slot: slot["sent"], default={})
        row = {name: earliest(sent, name) for name in ("planned", "sent", "published", "fetched", "expires")}
        row |= {name: earliest(ran, name) for name in ("received", "acked")}
        row |= best_execution(ran)
        row |= {
            "sends": present(sent, "sent"), "confirmed": present(sent, "published"),
            "receives": present(ran, "received"), "starts": len(started), "ends": present(ran, "finished"),
            "attempts": len({slot["retries"] for slot in started}), "parent": first_send.get("parent", b""),
            "kind": first_send["kind"] if sent else ran[0]["kind"],
        }  # fmt: skip
        rows[task_id] = row
    return rows


def best_execution(ran: list[Slot]) -> Slot:
    def merit(slot: Slot) -> tuple[int, int]:
        if slot["outcome"] == SUCCEEDED:
            return 0, slot["finished"] or slot["started"] or 2**63 - 1
        if slot["finished"]:
            return 1, slot["finished"]
        return (2, slot["started"]) if slot["started"] else (3, 0)

    names = ("started", "body_done", "stored", "finished", "outcome")
    told = [slot for slot in ran if slot["started"] or slot["outcome"]]
    best = min(told, key=merit, default=dict.fromkeys(names, 0))
    row = {name: best[name] for name in names}
    died = [slot["outcome"] for slot in ran if slot["outcome"] and not slot["finished"]]
    if died and not row["outcome"]:
        row["outcome"] = died[-1]
    return row


def earliest(slots: list[Slot], name: str) -> int:
    return min((slot[name] for slot in slots if slot[name]), default=0)


def present(slots: list[Slot], name: str) -> int:
    return sum(slot[name] != 0 for slot in slots)
