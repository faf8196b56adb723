"""What a generator can be told to send in one turn, read from JSON with every mistake named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rig.errors import BadInput
from rig.load import read_arrivals
from rig.load.arrivals import Arrivals
from rig.load.ids import MAX_TURN

MAX_USERS = 1000
GRACE = 50.0  # seconds that a turn may take beyond its schedule before it is ended

# What the generator itself says of each send; everything else that apply_async takes may be among the options.
_OURS = ("args", "kwargs", "queue", "task_id", "producer", "wait", "expect", "planned_ns")


@dataclass(frozen=True, kw_only=True)
class Order:
    """One turn: `users` send `task` to `queue` as `arrivals` say; with `wait` each waits for the result first.

    `turn` goes into the task ids. `options` are those of apply_async. `limit` is in seconds, for the whole turn.
    """

    turn: int
    task: str
    arrivals: Arrivals
    queue: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    users: int = 1
    wait: bool = False
    limit: float = 0.0  # 0: the length of the schedule and GRACE

    @property
    def seconds(self) -> float:
        """How long the turn may take."""
        return self.limit or self.arrivals.seconds + GRACE


# JSON type of each field, and what that is called.
_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "turn": (int, "a whole number"),
    "task": (str, "a string"),
    "arrivals": (dict, "an object"),
    "queue": (str, "a string"),
    "args": (list, "a list"),
    "kwargs": (dict, "an object"),
    "options": (dict, "an object"),
    "users": (int, "a whole number"),
    "wait": (bool, "true or false"),
    "limit": ((int, float), "a number"),
}
_REQUIRED = ("turn", "task", "arrivals", "queue")


def parse(text: object) -> Order:
    """Return the order that a decoded JSON object gives. Raises BadInput with every problem."""
    if not isinstance(text, Mapping):
        raise BadInput([f"an object is needed, not {text!r}"])
    problems = [f"{name}: not known; an order has {', '.join(_TYPES)}" for name in text if name not in _TYPES]
    problems += [f"{name}: missing" for name in _REQUIRED if name not in text]
    values: dict[str, Any] = {}
    for name, (kind, words) in _TYPES.items():
        if name not in text:
            continue
        value = text[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            problems.append(f"{name}: {words} is needed, not {value!r}")
        else:
            values[name] = value
    problems += _out_of_range(values)
    if "arrivals" in values:
        try:
            values["arrivals"] = read_arrivals.parse(values["arrivals"])
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return Order(**values)


def _out_of_range(values: Mapping[str, Any]) -> list[str]:
    problems = []
    if not 0 <= values.get("turn", 0) <= MAX_TURN:
        problems.append(f"turn: between 0 and {MAX_TURN}, not {values['turn']}")
    if not 1 <= values.get("users", 1) <= MAX_USERS:
        problems.append(f"users: between 1 and {MAX_USERS}, not {values['users']}")
    if values.get("limit", 0) < 0:
        problems.append(f"limit: not below 0, as {values['limit']} is")
    problems += [f"{name}: must not be empty" for name in ("task", "queue") if values.get(name) == ""]
    problems += [f"options.{name}: is the generator's to say" for name in values.get("options", ()) if name in _OURS]
    return problems
