"""Reads when the tasks of a recording were sent, to be sent again at the same distances."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rig.errors import BadInput

SECOND_NS = 1_000_000_000
PARQUET = ".parquet"


def read(path: Path) -> list[int]:
    """Return the times of a recording in order, in nanoseconds after its first one.

    `path` is a ledger's directory or a `tasks.parquet` (tasks that no other task sent, by their first send), or a text
    with one time a line: seconds from any moment on, in the first of columns that commas divide; blank lines, lines
    that begin with #, and a first line of titles are passed over. Raises BadInput with every line that is no time.
    """
    try:
        if path.is_dir():
            times = _from_ledger(path)
        elif path.suffix == PARQUET:
            times = _from_parquet(path)
        else:
            times = _from_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput([f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"]) from error
    if not len(times):
        raise BadInput(
            [f"{path}: no time in it; of a ledger or tasks.parquet, those of tasks whose sender was recorded"]
        )
    ordered: list[int] = np.sort(times - times.min()).tolist()
    return ordered


def _from_ledger(path: Path) -> npt.NDArray[np.int64]:
    from rig.ledger.reader import read_ledger  # here, since a load that replays nothing does without
    from rig.ledger.tasks import build

    tasks = build(read_ledger(path))
    return np.asarray(tasks.sent[(tasks.sent > 0) & (tasks.parent == b"")])


def _from_parquet(path: Path) -> npt.NDArray[np.int64]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["sent", "parent"])
    except pa.ArrowException as error:
        raise BadInput([f"{path} is not a tasks.parquet: {error}"]) from error
    sent = table["sent"].filter(table["parent"].is_null()).drop_null()
    return np.asarray(sent.to_numpy(), np.int64)


def _from_text(path: Path) -> npt.NDArray[np.int64]:
    problems, times = [], []
    lines = [line.strip() for line in path.read_text().splitlines()]
    told = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    for place, (number, line) in enumerate(told):
        first = line.partition(",")[0].strip()
        try:
            times.append(int(Decimal(first) * SECOND_NS))
        except (InvalidOperation, ValueError, OverflowError):  # no number, NaN, infinite
            if place or not first[:1].isalpha():
                problems.append(f"{path}:{number}: a time in seconds is needed, not {first!r}")
    if problems:
        raise BadInput(problems)
    return np.array(times, np.int64)
