"""Every key of an experiment file: the type of its value, and what is wrong with an invalid one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rig.experiment.file.spec import ALLOWED, CONTROL
from rig.load.send.calls import CALLS
from rig.testbed.variant import OURS

Check = Callable[[Any], str]  # what is wrong with a value of the right kind; "" for nothing
Keys = dict[str, tuple[str, Check]]  # a table's keys: (kind of the value, check)

TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,), "whole number": (int,), "number": (int, float), "list": (list,), "table": (dict,),
}  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")  # goes into service, queue and directory names
_NAME_RULE = "lower-case letters, digits and '-', a letter first, at most 24 characters"


def _at_least(low: float) -> Check:
    return lambda value: "" if value >= low else f"must be at least {low}, not {value}"


def _above(low: float) -> Check:
    return lambda value: "" if value > low else f"must be above {low}, not {value}"


def _one_of(*valid: str) -> Check:
    return lambda value: "" if value in valid else f"must be one of {', '.join(valid)}, not {value!r}"


def _share(value: float) -> str:
    return "" if 0 < value <= 0.95 else f"must lie above 0 and not above 0.95, not {value}"


def _part(value: float) -> str:
    sound = 0 < value <= 1 and abs(value * 1000 - round(value * 1000)) < 1e-6
    return "" if sound else f"must lie above 0 and not above 1, in steps of 0.001, not {value}"


def _percentile(value: float) -> str:
    return "" if 0 < value < 100 else f"must lie between 0 and 100, not {value}"


def _filled(value: str) -> str:
    return "" if value.strip() else "must not be empty"


def _name(value: str) -> str:
    return "" if _NAME.fullmatch(value) else f"invalid name {value!r}: use {_NAME_RULE}"


def _cell_name(value: str) -> str:
    if value == CONTROL:
        return f"{CONTROL!r} is the name of the A/A control cell; choose another"
    return _name(value)


def _names(value: list[Any]) -> str:
    wrong = [name for name in value if not (isinstance(name, str) and _NAME.fullmatch(name))]
    return f"invalid name {wrong[0]!r}: use {_NAME_RULE}" if wrong else ""


def _allowed(value: list[Any]) -> str:
    wrong = [each for each in value if each not in ALLOWED]
    return f"must name some of {', '.join(ALLOWED)}, not {wrong[0]!r}" if wrong else ""


def _queues(value: Mapping[str, Any]) -> str:
    return _names(list(value.values()))


def _worker(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError as error:
        return f"{value!r} cannot be split into words: {error}"
    taken = [word for word in words if word.partition("=")[0] in OURS]
    return f"{', '.join(taken)}: set by the engine, which gives each cell its own queues and names" if taken else ""


def _anything(_: Any) -> str:
    return ""


# Keys absent from the file take the default of the dataclass.
TOP: Keys = {
    "claim": ("text", _filled), "source": ("text", _filled), "expectation": ("table", _anything),
    "load": ("table", _anything), "variants": ("list", _anything), "factors": ("list", _anything),
    "rounds": ("whole number", _at_least(2)), "stop_at": ("number", _above(0)), "thresholds": ("list", _anything),
    "assert": ("list", _anything), "allow": ("list", _allowed),
}  # fmt: skip
EXPECTATION: Keys = {
    "measure": ("text", _filled), "variant": ("text", _filled),
    "change": ("text", _one_of("higher", "lower", "same")), "percent": ("number", _at_least(0)),
}  # fmt: skip
THRESHOLD: Keys = {
    "measure": ("text", _filled), "variant": ("text", _filled), "at_most": ("number", _above(0)),
    "at_least": ("number", _above(0)),
}  # fmt: skip
ASSERT: Keys = {
    "variant": ("text", _filled), "fact": ("text", _filled), "at_most": ("number", _at_least(0)),
    "at_least": ("number", _at_least(0)),
}  # fmt: skip
LOAD: Keys = {
    "task": ("text", _filled), "args": ("list", _anything), "kwargs": ("table", _anything),
    "kinds": ("list", _anything), "backlog": ("whole number", _at_least(100)), "users": ("whole number", _at_least(1)),
    "arrivals": ("text", _one_of("poisson", "constant")), "share": ("number", _share),
    "rate": ("number", _above(0)), "run_in": ("number", _at_least(0)), "seconds": ("number", _at_least(0.5)),
    "wait_ms": ("number", _above(0)), "goal": ("table", _anything),
}  # fmt: skip
KIND: Keys = {
    "name": ("text", _name), "task": ("text", _filled), "args": ("list", _anything), "kwargs": ("table", _anything),
    "share": ("number", _part),
}  # fmt: skip
GOAL: Keys = {"percentile": ("number", _percentile), "ms": ("number", _above(0))}
WORKER: Keys = {"worker": ("text", _worker), "queues": ("list", _names)}


def variant(topologies: Iterable[str]) -> Keys:
    """Return the keys of a [[variants]] table."""
    return {
        "name": ("text", _cell_name), "topology": ("text", _one_of(*topologies)), "worker": ("text", _worker),
        "workers": ("list", _anything), "settings": ("table", _anything), "options": ("table", _anything),
        "queues": ("table", _queues), "queue_arguments": ("table", _anything), "call": ("text", _one_of(*CALLS)),
    }  # fmt: skip
