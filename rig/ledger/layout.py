"""The binary format of a ledger segment (version 1). `docs/ledger.md` is the same in prose.

A segment is one file written by one process: a 16 KiB header, then fixed slots of 128 bytes.
A slot is 16 little-endian 64-bit words. Words 0 to 4 hold the task id (ASCII, 36 bytes), the kind
(an index into the header's list of `[task name, queue]` pairs), the retry count and the record type;
the rest are stamps, filled in place as things happen. A word of zero means "has not happened".

Stamps are CLOCK_MONOTONIC nanoseconds. That clock is one for all processes and containers of a host,
and NTP never steps it, so stamps of two processes can be subtracted. The header's `wall_ns` and
`mono_ns`, read together when the segment was opened, turn a stamp into wall-clock time.

This module uses the standard library alone, since it lives inside other people's workers.
"""

from __future__ import annotations

import struct
from typing import Final

MAGIC: Final = b"CRIGLED1"
VERSION: Final = 1
HEADER_BYTES: Final = 16384
SLOT_BYTES: Final = 128
SLOT_WORDS: Final = SLOT_BYTES // 8
ID_BYTES: Final = 36  # a UUID in its usual text form
SUFFIX: Final = ".led"
STOPPED_SUFFIX: Final = ".stopped"  # an empty file that says: here a segment could not be opened

# Header: magic, version, slot size, capacity (slots), wall ns, monotonic ns, pid, state, length of the text
# that follows. The text is JSON lines: first {run, role, host, boot_id}, then one [task name, queue] for each
# kind, appended as kinds appear; the length is raised after the bytes are there, so a reader never sees half a line.
HEADER: Final = struct.Struct("<8sIIQQQIIxxxxI")
STATE_OPEN: Final = 0
STATE_CLOSED: Final = 1  # takes no more slots (those in it may still be stamped); a killed process leaves OPEN
STATE_OFFSET: Final = 44
TEXT_LENGTH_OFFSET: Final = 52
TEXT_OFFSET: Final = HEADER.size

# Slot: id, kind, retries (saturating at 255), record type, first stamp; the claim of a slot is one pack_into.
CLAIM: Final = struct.Struct("<36sHBBq")
CLAIM_FIRST: Final = struct.Struct("<36sIq")  # the same for who has kind, retries and type in one number: `about()`

SEND: Final = 1  # written by a publisher: one slot per attempt to send
RUN: Final = 2  # written by a worker: one slot per delivery and process (main and pool process each)

# Words of a SEND slot.
PLANNED: Final = 5  # when the open-loop schedule wanted it sent; 0 for closed-loop and for children
SENT: Final = 6  # apply_async called
PUBLISHED: Final = 7  # the call returned (with confirms: the broker has it)
SEND_FAILED: Final = 8  # the call raised: whether the broker has it is indeterminate
FETCHED: Final = 9  # a client has read the result
PARENT: Final = 10  # words 10 to 14.5: id of the parent task, as in words 0 to 4, zero for none
EXPIRES: Final = 15  # when the task expires, if it was sent with `expires`: then the broker may drop it, rightly

# Words of a RUN slot.
RECEIVED: Final = 5  # worker main process has the message
STARTED: Final = 6
BODY_DONE: Final = 7  # the task function returned or raised
STORED: Final = 8  # the result backend has the result
FINISHED: Final = 9  # the tracer returned
ACKED: Final = 10  # the ack left the process
REJECTED: Final = 11  # the reject left the process
OUTCOME: Final = 12  # a key of OUTCOMES, written before FINISHED; 6 to 9 come without FINISHED

# How an execution ended; 0: it did not, as far as this process knows.
OUTCOMES: Final = {
    1: "succeeded",
    2: "failed",
    3: "retried",
    4: "rejected",
    5: "ignored",
    6: "revoked",
    7: "expired",
    8: "unknown",  # the worker has no task of that name
    9: "lost",  # the pool process died (WorkerLostError) or hit its hard time limit
}
OUTCOME_CODE: Final = {name: code for code, name in OUTCOMES.items()}

SEND_STAMPS: Final = {
    "planned": PLANNED, "sent": SENT, "published": PUBLISHED, "send_failed": SEND_FAILED, "fetched": FETCHED,
}
RUN_STAMPS: Final = {
    "received": RECEIVED, "started": STARTED, "body_done": BODY_DONE, "stored": STORED,
    "finished": FINISHED, "acked": ACKED, "rejected": REJECTED,
}


def about(kind: int, retries: int, record_type: int) -> int:
    """Return kind, retries and record type as the one number that CLAIM_FIRST takes."""
    return kind | retries << 16 | record_type << 24
