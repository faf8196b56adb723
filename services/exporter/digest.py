"""Turns a batch of slots into counts and durations: what is new in each, and whether it may still change."""

from __future__ import annotations

from typing import Final

import numpy as np

from exporter.segment import WORDS_SEEN_AS_BITS, Batch, Bits, Mask
from exporter.tally import EVENT, STAGE, Index, Ints, Tally
from exporter.window import FINISHED, OBSERVED, ORIGIN, RECEIVED, SENT, SERIES, STARTED, Window, hash_ids
from rig.ledger import layout
from rig.ledger.layout import OUTCOME_CODE


def _bit(word: int) -> int:
    return 1 << (word - WORDS_SEEN_AS_BITS.start)


ENDED: Final = _bit(layout.OUTCOME)
RECEIVED_BIT: Final = _bit(layout.RECEIVED)
STARTED_BIT: Final = _bit(layout.STARTED)
FINISHED_BIT: Final = _bit(layout.FINISHED)
SETTLED: Final = _bit(layout.ACKED) | _bit(layout.REJECTED)
# From this code on, the main process writes the outcome and no FINISHED: the task did not run to its end.
FIRST_WITHOUT_FINISH: Final = OUTCOME_CODE["revoked"]

_BIT_OF_STAMP: Final = (1 << np.arange(8)).astype(np.uint8)  # np.packbits is slow where words lie side by side

# Outcome codes to events; code 0 and codes of a later format count as "unknown".
_EVENT_OF_OUTCOME = np.full(256, EVENT["unknown"])
for _code, _name in layout.OUTCOMES.items():
    _EVENT_OF_OUTCOME[_code] = EVENT[_name]

# What the window remembers, and the bits that mark what has been told from it.
_JOINED: Final = ((layout.RECEIVED, RECEIVED), (layout.STARTED, STARTED), (layout.FINISHED, FINISHED))
_RUN_JOIN_BITS: Final = RECEIVED_BIT | STARTED_BIT | FINISHED_BIT
_WAITS: Final = ((SENT, RECEIVED, "queue_wait"), (RECEIVED, STARTED, "prefetch_wait"), (ORIGIN, FINISHED, "end_to_end"))
_TOLD_END = 1 << 2  # of `_WAITS`


def digest(batch: Batch, tally: Tally, window: Window, until: int) -> tuple[Bits, Mask]:
    """Count what is new in `batch` and happened `until` then; return each row's new state, and whether it is done."""
    sends = is_send(batch.rows)
    state = _state(batch.rows, until)
    new = _New(batch, state & ~batch.state, sends)
    if sends.any():
        new.count_sends()
    new.count_runs()
    new.join(window)
    new.tell(tally)
    return state, _done(state, sends, batch, window)


def is_send(rows: Ints) -> Mask:
    """Return which rows are SEND slots."""
    sends: Mask = rows[:, 4] >> 56 == layout.SEND
    return sends


def open_tasks(batch: Batch) -> tuple[int, int]:
    """Return how many tasks of a worker's open slots are running, and how many its broker holds as unacknowledged."""
    state = batch.state[~is_send(batch.rows)]
    running = (state & (STARTED_BIT | ENDED)) == STARTED_BIT
    unsettled = (state & (RECEIVED_BIT | SETTLED)) == RECEIVED_BIT
    return int(running.sum()), int(unsettled.sum())


class _New:
    """Collects the events and durations of one batch; `bits` are what each row has gained."""

    def __init__(self, batch: Batch, bits: Bits, sends: Mask) -> None:
        self._rows, self._series, self._keys = batch.rows, batch.series, batch.keys
        self._of_sends = bits * sends
        self._of_runs = bits * ~sends
        self._events: list[tuple[Ints, Index]] = []
        self._durations: list[tuple[str, Index, Ints]] = []

    def count_sends(self) -> None:
        for word, event in ((layout.PUBLISHED, "sent"), (layout.SEND_FAILED, "send_failed")):
            at = _having(word, self._of_sends)
            self._event(event, at)
            if word == layout.PUBLISHED:
                self._stage("publish", at, layout.SENT, layout.PUBLISHED)
        self._stage("generator_lag", _having(layout.SENT, self._of_sends), layout.PLANNED, layout.SENT)

    def count_runs(self) -> None:
        bits = self._of_runs
        received, acked = _having(layout.RECEIVED, bits), _having(layout.ACKED, bits)
        self._event("received", received)
        self._event("started", _having(layout.STARTED, bits))
        self._event("acked", acked)
        ended = _having(layout.OUTCOME, bits)
        outcome = self._rows[:, layout.OUTCOME][ended].clip(0, 255)
        self._events.append((_EVENT_OF_OUTCOME[outcome], self._series[ended]))
        self._stage("runtime", _having(layout.BODY_DONE, bits), layout.STARTED, layout.BODY_DONE)
        # STORED follows BODY_DONE in the same process, within one poll or two.
        self._stage("result_write", _having(layout.STORED, bits), layout.BODY_DONE, layout.STORED)
        self._stage("ack", acked, layout.RECEIVED, layout.ACKED)

    def join(self, window: Window) -> None:
        """Put what is new into the window, and tell the waits whose both ends are known now."""
        sent = _having(layout.SENT, self._of_sends)
        ran = ((self._of_runs & _RUN_JOIN_BITS) != 0).nonzero()[0]
        if not len(sent) and not len(ran):
            return
        places = window.place(np.concatenate([self._keys[sent], self._keys[ran]]))
        if len(sent):
            self._put_sent(sent, places[: len(sent)], window)
        if len(ran):
            self._put_ran(ran, places[len(sent) :], window)
        self._tell_waits(window, window.distinct(places))
        window.values[window.nowhere] = 0

    def tell(self, tally: Tally) -> None:
        events = [event for event, _ in self._events]
        tally.count(np.concatenate(events), np.concatenate([series for _, series in self._events]))
        if not self._durations:
            return
        stages = np.repeat([STAGE[name] for name, *_ in self._durations], [len(d) for *_, d in self._durations])
        series = np.concatenate([series for _, series, _ in self._durations])
        tally.observe(stages, series, np.concatenate([duration for *_, duration in self._durations]))

    def _put_sent(self, sent: Ints, places: Ints, window: Window) -> None:
        rows = self._rows[sent]
        planned = rows[:, layout.PLANNED]
        window.values[places, SENT] = rows[:, layout.SENT]
        window.values[places, ORIGIN] = np.where(planned != 0, planned, rows[:, layout.SENT])
        again = ((rows[:, 4] >> 48) & 0xFF != 0).nonzero()[0]
        if again.size:
            first = window.values[window.find(hash_ids(rows[again], first_attempt=True)), ORIGIN]
            known = first != 0
            window.values[places[again[known]], ORIGIN] = first[known]

    def _put_ran(self, ran: Ints, places: Ints, window: Window) -> None:
        bits = self._of_runs[ran]
        for word, column in _JOINED:
            has = _having(word, bits)
            window.values[:, column][places[has]] = self._rows[:, word][ran[has]]
        window.values[:, SERIES][places] = self._series[ran]
        # A task that will be tried again has not reached its end.
        retried = self._rows[:, layout.OUTCOME][ran] == OUTCOME_CODE["retried"]
        window.values[places[retried], OBSERVED] |= _TOLD_END

    def _tell_waits(self, window: Window, places: Ints) -> None:
        known = np.asfortranarray(window.values.take(places, axis=0))
        for number, (start, end, name) in enumerate(_WAITS):
            told = 1 << number
            began, ended, observed = known[:, start], known[:, end], known[:, OBSERVED]
            ready = ((began != 0) & (ended >= began) & (observed & told == 0)).nonzero()[0]
            if not ready.size:
                continue
            self._durations.append((name, known[ready, SERIES].astype(np.int32), ended[ready] - began[ready]))
            window.values[:, OBSERVED][places[ready]] |= told

    def _event(self, name: str, at: Ints) -> None:
        self._events.append((np.full(len(at), EVENT[name]), self._series[at]))

    def _stage(self, name: str, at: Ints, start: int, end: int) -> None:
        """Note the time from word `start` to word `end`, where both are known."""
        at = at[self._rows[:, start][at] != 0]
        if at.size:
            self._durations.append((name, self._series[at], self._rows[:, end][at] - self._rows[:, start][at]))


def _having(word: int, bits: Bits) -> Ints:
    """Return where in `bits` the one that stands for `word` is set."""
    at: Ints = (bits & _bit(word) != 0).nonzero()[0]
    return at


def _state(rows: Ints, until: int) -> Bits:
    """Return what had happened in each slot at the moment `until`, as bits.

    What came later is left for the next poll: so each event is counted by the poll, and before or after a restart by
    the exporter, into whose time it falls.
    """
    stamps = rows[:, WORDS_SEEN_AS_BITS]
    happened = (stamps != 0) & (stamps <= until)
    happened[:, -1] &= rows[:, layout.FINISHED] <= until  # the outcome carries no time of its own
    state: Bits = np.bitwise_or.reduce(happened * _BIT_OF_STAMP, axis=1)
    return state


def _done(state: Bits, sends: Mask, batch: Batch, window: Window) -> Mask:
    """Return which slots cannot change any more, as far as the tally cares."""
    settled = state & SETTLED != 0
    finished = state & FINISHED_BIT != 0
    without_finish = batch.rows[:, layout.OUTCOME] >= FIRST_WITHOUT_FINISH
    done: Mask = settled & (finished | without_finish)
    done |= finished & (state & RECEIVED_BIT == 0)  # a pool process: the main one settles with the broker
    # The main process beside a pool: its slot is done when the pool process has finished the task.
    elsewhere = (settled & ~done & (state & STARTED_BIT == 0) & ~sends).nonzero()[0]
    if elsewhere.size:
        done[elsewhere] = window.values[window.find(batch.keys[elsewhere]), FINISHED] != 0
    if sends.any():
        done[sends] = (state & (_bit(layout.PUBLISHED) | _bit(layout.SEND_FAILED)) != 0)[sends]
    return done
