"""The account says what became of each task; each test breaks one record and demands that the account shows it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rig.ledger import layout
from rig.ledger.account import Account, account
from rig.ledger.reader import read_ledger
from rig.ledger.tasks import build
from rig.ledger.writer import Slot, Writer

SUCCEEDED = layout.OUTCOME_CODE["succeeded"]


class Book:
    """Writes the ledgers of one publisher, one main process and one pool process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.client, self.main, self.pool = (Writer(directory, role) for role in ("client", "main", "pool"))
        self.now = 1000

    def tick(self) -> int:
        self.now += 10
        return self.now

    def stamp(self, slot: Slot, *at: int) -> None:
        for offset in at:
            slot[0][slot[1] + offset] = self.tick()

    def send(self, task_id: str, *at: int, retries: int = 0) -> Slot:
        slot = self.client.claim_send(task_id, self.client.kind("a", "q"), retries)
        self.stamp(slot, *(at or (layout.SENT, layout.PUBLISHED)))
        return slot

    def receive(self, task_id: str, *at: int, outcome: int = 0) -> Slot:
        slot = self.main.claim_run(task_id, self.main.kind("a", "q"))
        self.stamp(slot, layout.RECEIVED, *at)
        slot[0][slot[1] + layout.OUTCOME] = outcome
        return slot

    def execute(self, task_id: str, outcome: int = SUCCEEDED, retries: int = 0) -> Slot:
        slot = self.pool.claim_run(task_id, self.pool.kind("a", "q"), retries)
        self.stamp(slot, layout.STARTED, layout.BODY_DONE)
        slot[0][slot[1] + layout.OUTCOME] = outcome
        self.stamp(slot, layout.FINISHED)
        return slot

    def whole(self, task_id: str) -> None:
        self.send(task_id)
        self.receive(task_id, layout.ACKED)
        self.execute(task_id)

    def account(self, **options: int) -> Account:
        ledger = read_ledger(self.directory)
        return account(build(ledger), ledger, **options)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    book = Book(tmp_path)
    for number in range(20):
        book.whole(f"ok-{number}")
    return book


def test_an_undisturbed_run_accounts_to_zeros(book: Book) -> None:
    sound = book.account()
    assert (sound.sent, sound.confirmed, sound.executed, sound.succeeded) == (20, 20, 20, 20)
    assert (sound.lost, sound.duplicated, sound.unexpected, sound.stalled, sound.invalid) == ([], [], [], [], [])


@pytest.mark.parametrize(
    ("disturb", "field", "ids"),
    [
        (lambda book: book.send("x"), "never_started", ["x"]),
        (lambda book: (book.send("x"), start_only(book, "x")), "started_not_finished", ["x"]),
        (lambda book: (book.send("x"), start_only(book, "x"), book.receive("x", outcome=9)), "died", ["x"]),
        (lambda book: book.execute("ok-3"), "duplicated", ["ok-3"]),
        (lambda book: book.execute("y"), "unexpected", ["y"]),
    ],
)
def test_one_broken_record_is_one_entry(
    book: Book, disturb: Callable[[Book], object], field: str, ids: list[str]
) -> None:
    disturb(book)
    broken = book.account()
    assert getattr(broken, field) == ids
    assert broken.lost == (ids if field in ("never_started", "started_not_finished", "died") else [])


def start_only(book: Book, task_id: str) -> None:
    book.stamp(book.pool.claim_run(task_id, book.pool.kind("a", "q")), layout.STARTED)


def test_deleting_one_end_record_is_one_loss(book: Book) -> None:
    slot = book.execute("ok-20")
    book.send("ok-20")
    assert book.account().lost == []
    slot[0][slot[1] + layout.FINISHED] = 0
    slot[0][slot[1] + layout.OUTCOME] = 0
    assert book.account().lost == ["ok-20"]


def test_tasks_left_in_the_broker_are_stalled_and_not_lost(book: Book) -> None:
    book.send("first")
    book.receive("first")
    book.send("last")
    assert book.account(left_in_broker=2).lost == []
    assert sorted(book.account(left_in_broker=2).stalled) == ["first", "last"]
    # One message left: the task that no worker ever saw is the likelier to be it.
    assert book.account(left_in_broker=1).stalled == ["last"]
    assert book.account(left_in_broker=1).lost == ["first"]


def test_a_retry_explains_a_second_start_and_a_redelivery_does_not(book: Book) -> None:
    book.send("r")
    book.execute("r", outcome=layout.OUTCOME_CODE["retried"])
    book.send("r", retries=1)
    book.execute("r", retries=1)
    retried = book.account()
    assert (retried.duplicated, retried.retried, retried.lost) == ([], 1, [])
    book.execute("r", retries=1)
    assert book.account().duplicated == ["r"]


def test_a_send_that_raised_is_indeterminate_and_recovered_when_it_ran(book: Book) -> None:
    book.send("gone", layout.SENT, layout.SEND_FAILED)
    book.send("ran", layout.SENT, layout.SEND_FAILED)
    book.execute("ran")
    result = book.account()
    assert (result.indeterminate, result.recovered, result.lost) == (2, 1, [])


def test_an_expired_task_is_not_lost(book: Book) -> None:
    slot = book.send("dropped by the broker")
    slot[0][slot[1] + layout.EXPIRES] = book.now + 100
    book.send("seen by the worker")
    book.receive("seen by the worker", outcome=layout.OUTCOME_CODE["expired"])
    assert book.account(now_ns=book.now + 50).lost == ["dropped by the broker"]
    assert book.account(now_ns=book.now + 200).lost == []
    assert book.account(now_ns=book.now + 200).expired == 2


def test_a_torn_segment_makes_the_account_invalid(book: Book) -> None:
    path = next(path for path in book.directory.glob("pool-*.led"))
    with path.open("r+b") as file:
        file.truncate(layout.HEADER_BYTES + 5 * layout.SLOT_BYTES + 17)
    torn = book.account()
    assert len(torn.invalid) == 1
    assert f"{path.name} at byte" in torn.invalid[0]


def test_the_first_success_counts_when_a_task_ran_twice(book: Book) -> None:
    book.send("twice")
    book.execute("twice", outcome=layout.OUTCOME_CODE["failed"])
    good = book.execute("twice")
    ledger = read_ledger(book.directory)
    tasks = build(ledger)
    row = int((tasks.id == b"twice").nonzero()[0][0])
    assert int(tasks.finished[row]) == good[0][good[1] + layout.FINISHED]
    assert layout.OUTCOMES[int(tasks.outcome[row])] == "succeeded"
