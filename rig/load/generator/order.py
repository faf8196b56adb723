"""What a generator can be told to send in one turn, read from JSON with every mistake named."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rig.errors import BadInput
from rig.load.ids import MAX_TURN
from rig.load.schedule import read_arrivals
from rig.load.schedule.arrivals import Arrivals
from rig.load.send.calls import CALLS, SEND_TASK

MAX_USERS = 1000
GRACE = 50.0  # seconds that a turn may take beyond its schedule before it is ended
BLOCKS = (100, 1000)  # lengths of a block of arrivals: the first in which each share is a whole number

# What the generator itself says of each send; everything else that apply_async takes may be among the options.
_OURS = ("args", "kwargs", "queue", "task_id", "producer", "wait", "expect", "planned_ns")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of task, the queue it goes to, and its share of all sends."""

    task: str
    queue: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """One turn: `users` send tasks of these `kinds` as `arrivals` say; with `wait` each waits for the result first.

    `turn` goes into the task ids. `options` are those of apply_async, `call` (`rig.load.send.calls`) says how a
    send is done, `seed` gives the order of the kinds. `limit` is in seconds, for the whole turn. A schedule begins at
    `start_ns` (CLOCK_MONOTONIC; 0: at once), and its first `run_in` seconds are in no number of the answer's lags.
    """

    turn: int
    kinds: list[Kind]
    arrivals: Arrivals
    options: dict[str, Any] = field(default_factory=dict)
    users: int = 1
    call: str = SEND_TASK
    seed: int = 0
    wait: bool = False
    limit: float = 0.0  # 0: the length of the schedule and GRACE
    start_ns: int = 0
    run_in: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the turn may take."""
        return self.limit or self.arrivals.seconds + GRACE

    def sequence(self) -> Iterator[Kind]:
        """Return the kind of the first send, the second, and so on without end."""
        if len(self.kinds) == 1:
            return itertools.repeat(self.kinds[0])
        numbers = sequence([kind.share for kind in self.kinds], self.seed)
        return (self.kinds[number] for number in numbers)


def sequence(shares: Sequence[float], seed: int) -> Iterator[int]:
    """Return which kind the first send is of, the second, and so on without end, as positions in `shares`.

    Stratified: each block of sends holds each kind in exactly its share, in an order drawn from `seed`. Drawing each
    send by itself would give one turn more of the long tasks than another by chance, and that would be measured.
    """
    length = block_length(shares)
    block = [number for number, share in enumerate(shares) for _ in range(round(share * length))]
    rng = random.Random(seed)  # noqa: S311 - an order, not a secret
    while True:
        rng.shuffle(block)
        yield from block


def block_length(shares: Sequence[float]) -> int:
    """Return the shortest block in which each kind can have its share; 0 if there is none."""
    for length in BLOCKS:
        if all(math.isclose(share * length, round(share * length), abs_tol=1e-6) for share in shares):
            return length
    return 0


# JSON type of each field, and what that is called.
_Types = Mapping[str, tuple[type | tuple[type, ...], str]]
_ORDER: _Types = {
    "turn": (int, "a whole number"),
    "kinds": (list, "a list of objects"),
    "arrivals": (dict, "an object"),
    "options": (dict, "an object"),
    "users": (int, "a whole number"),
    "call": (str, "a string"),
    "seed": (int, "a whole number"),
    "wait": (bool, "true or false"),
    "limit": ((int, float), "a number"),
    "start_ns": (int, "a whole number"),
    "run_in": ((int, float), "a number"),
}
_AT_LEAST_0 = ("limit", "start_ns", "run_in")
_KIND: _Types = {
    "task": (str, "a string"),
    "queue": (str, "a string"),
    "args": (list, "a list"),
    "kwargs": (dict, "an object"),
    "share": ((int, float), "a number"),
}


def parse(text: object) -> Order:
    """Return the order that a decoded JSON object gives. Raises BadInput with every problem."""
    if not isinstance(text, Mapping):
        raise BadInput([f"an object is needed, not {text!r}"])
    values, problems = _fields(text, _ORDER, ("turn", "kinds", "arrivals"), "")
    problems += _out_of_range(values)
    kinds, found = _kinds(values.get("kinds"))
    problems += found
    if "arrivals" in values:
        try:
            values["arrivals"] = read_arrivals.parse(values["arrivals"])
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return Order(**{**values, "kinds": kinds})


def _kinds(listed: list[Any] | None) -> tuple[list[Kind], list[str]]:
    """Return the kinds of an order and what is wrong with them."""
    if listed is None:
        return [], []  # and that is said already
    kinds, problems = [], []
    for number, text in enumerate(listed):
        where = f"kinds[{number}]"
        if not isinstance(text, Mapping):
            problems.append(f"{where}: an object is needed, not {text!r}")
            continue
        values, found = _fields(text, _KIND, ("task", "queue"), f"{where}.")
        found += [f"{where}.{name}: must not be empty" for name in ("task", "queue") if values.get(name) == ""]
        problems += found
        if not found:
            kinds.append(Kind(**{**values, "args": tuple(values.get("args", ()))}))
    shares = [kind.share for kind in kinds]
    if not problems and not (math.isclose(math.fsum(shares), 1, abs_tol=1e-6) and block_length(shares)):
        problems.append(f"kinds: the shares must sum to 1, in steps of 0.001, and not be {shares}")
    return kinds, problems


def _fields(
    text: Mapping[Any, Any], types: _Types, required: Sequence[str], where: str
) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of `text` that are of the right type, and what is wrong with the others."""
    problems = [f"{where}{name}: not known; valid are {', '.join(types)}" for name in text if name not in types]
    problems += [f"{where}{name}: missing" for name in required if name not in text]
    values: dict[str, Any] = {}
    for name, (kind, words) in types.items():
        if name not in text:
            continue
        value = text[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            problems.append(f"{where}{name}: {words} is needed, not {value!r}")
        else:
            values[name] = value
    return values, problems


def _out_of_range(values: Mapping[str, Any]) -> list[str]:
    problems = []
    if not 0 <= values.get("turn", 0) <= MAX_TURN:
        problems.append(f"turn: between 0 and {MAX_TURN}, not {values['turn']}")
    if not 1 <= values.get("users", 1) <= MAX_USERS:
        problems.append(f"users: between 1 and {MAX_USERS}, not {values['users']}")
    if values.get("call", SEND_TASK) not in CALLS:
        problems.append(f"call: one of {', '.join(CALLS)}, not {values['call']!r}")
    problems += [f"{name}: must be 0 or more, not {values[name]}" for name in _AT_LEAST_0 if values.get(name, 0) < 0]
    ours = [name for name in values.get("options", ()) if name in _OURS]
    problems += [f"options.{name}: set by the generator; remove it" for name in ours]
    return problems
