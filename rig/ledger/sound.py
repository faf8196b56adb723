"""What can be true of a slot: the rules to which both readers, `rig.ledger.reader` and the exporter, put each slot.

Slots come as words, an unsigned array of shape (slots, 16). Everything works word by word, since numpy compares
bytes one by one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rig.ledger import layout

Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

ID_END = np.uint64(0xFFFFFFFF)  # of an id's fifth word: its last four bytes; in word 4 kind, retries and type follow
_ABOVE_ASCII = np.uint64(0x8080808080808080)  # the highest bit of each byte
_SIGN = np.uint64(1 << 63)
_LAST_OUTCOME = np.uint64(max(layout.OUTCOMES))


def types(words: Words) -> Words:
    """Return the record type of each slot."""
    return words[:, 4] >> np.uint64(56)


def unsound(words: Words, kinds: int) -> Mask:
    """Tell which slots cannot be true, by what both readers use: words 0 to 12. `kinds` is the number in the header."""
    record_type, letters = types(words), _letters(words, 0)
    bad: Mask = (record_type == 0) | (record_type > layout.RUN) | (_kinds(words) >= max(kinds, 1))
    bad |= (letters == 0) | (letters & _ABOVE_ASCII != 0)
    bad |= _signs(words, range(5, 10)) != 0
    runs = (_signs(words, range(10, 12)) != 0) | (words[:, layout.OUTCOME] > _LAST_OUTCOME)
    bad |= runs & (record_type == layout.RUN)
    return bad


def unsound_sends(words: Words) -> Mask:
    """Tell which slots cannot be true by what a SEND slot alone has and the exporter does not use."""
    bad: Mask = (_letters(words, layout.PARENT) & _ABOVE_ASCII != 0) | (words[:, layout.EXPIRES] & _SIGN != 0)
    bad &= types(words) == layout.SEND
    return bad


def faults(words: Words, kinds: int) -> dict[str, Mask]:
    """Return in words all that can be wrong with a slot, and of which of these slots it is true.

    A slot has a fault if and only if it is `unsound` or one of the `unsound_sends`.
    """
    record_type, letters = types(words), _letters(words, 0)
    claimed, sends, runs = record_type != 0, record_type == layout.SEND, record_type == layout.RUN
    written = (words[:, 5:] != 0).any(axis=1) | (letters != 0)
    return {
        "an empty slot before used ones: torn, or its writer was killed in the act": ~claimed & ~written,
        "stamps without a claim": ~claimed & written,
        "unknown record type": record_type > layout.RUN,
        "no task id": claimed & (letters == 0),
        "a task id that is not ASCII": claimed & (letters & _ABOVE_ASCII != 0),
        f"kind outside of the header's list of {kinds}": claimed & (_kinds(words) >= max(kinds, 1)),
        "negative stamp": (_signs(words, range(5, 10)) | _signs(words, range(10, 12)) * runs) != 0,
        "unknown outcome": runs & (words[:, layout.OUTCOME] > _LAST_OUTCOME),
        "a parent's id that is not ASCII": sends & (_letters(words, layout.PARENT) & _ABOVE_ASCII != 0),
        "negative expires": sends & (words[:, layout.EXPIRES] & _SIGN != 0),
    }


def _kinds(words: Words) -> Words:
    return words[:, 4] >> np.uint64(32) & np.uint64(0xFFFF)


def _letters(words: Words, first: int) -> Words:
    """Return the five words of an id that begins in word `first`, merged by "or"."""
    merged = words[:, first + 4] & ID_END
    for word in range(first, first + 4):
        merged |= words[:, word]
    return merged


def _signs(words: Words, stamps: range) -> Words:
    """Return the sign bit of each slot's `stamps`, merged by "or"."""
    merged = words[:, stamps[0]].copy()
    for word in stamps[1:]:
        merged |= words[:, word]
    return merged & _SIGN
