"""Task ids are version-4 UUIDs that say where a task came from, and no two are alike."""

from __future__ import annotations

import uuid
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.load import ids

RUNS = st.from_regex(r"[0-9a-f]{8}", fullmatch=True)


@given(RUNS, st.integers(0, ids.MAX_TURN), st.integers(0, ids.MAX_PUBLISHER))
def test_an_id_is_a_uuid_and_tells_its_origin(run: str, turn: int, publisher: int) -> None:
    next_id = ids.task_ids(run, turn, publisher)
    for number in range(3):
        task_id = next_id()
        parsed = uuid.UUID(task_id)
        assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, task_id)
        assert ids.origin(task_id) == ids.Origin(run=run, turn=turn, publisher=publisher, number=number)


def test_publishers_and_turns_never_share_an_id() -> None:
    makers = [ids.task_ids("0badcafe", turn, publisher) for turn, publisher in product((1, 2, 0xFFFF), (0, 1, 0xFFF))]
    made = [next_id() for next_id in makers for _ in range(1000)]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("run", "turn", "publisher"),
    [("0badcafe", 0x10000, 0), ("0badcafe", -1, 0), ("0badcafe", 0, 0x1000), ("0badcaf", 0, 0), ("0BADCAFE", 0, 0)],
)
def test_what_does_not_fit_is_refused(run: str, turn: int, publisher: int) -> None:
    with pytest.raises(ValueError):
        ids.task_ids(run, turn, publisher)


@given(st.text())
def test_any_name_of_a_run_becomes_eight_digits_and_always_the_same(name: str) -> None:
    digits = ids.run_digits(name)
    ids.task_ids(digits, 0, 0)
    assert ids.run_digits(name) == digits == ids.run_digits(digits)


def test_different_runs_have_different_digits() -> None:
    names = [f"20261121-{number:04x}" for number in range(1000)] + [ids.new_run() for _ in range(1000)]
    assert len({ids.run_digits(name) for name in names}) == len(names)


@pytest.mark.parametrize("other", ["", "x", str(uuid.UUID(int=0)), "0badcafe-0001-4000-9000-000000000000"])
def test_ids_of_others_have_no_origin(other: str) -> None:
    assert ids.origin(other) is None
