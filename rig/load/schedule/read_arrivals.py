"""Reads a load's arrivals from a JSON object or from one line of text, with every mistake named."""

from __future__ import annotations

import itertools
import json
import math
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rig.errors import BadInput
from rig.load.schedule import trace
from rig.load.schedule.arrivals import SECOND_NS, Arrivals, Piece, bursts, profile


def _positive(value: Any) -> bool:
    return _is_number(value) and 0 < value < math.inf


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_rate(value: Any) -> bool:
    return _is_number(value) and 0 <= value < math.inf


def _is_steps(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(step, list) and len(step) == 2 for step in value)
        and all(_is_rate(rate) and _positive(seconds) for rate, seconds in value)
    )


# What each field has to be, in words and as a test.
_FIELDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "count": ("a whole number above 0", lambda value: _is_whole(value) and value > 0),
    "size": ("a whole number above 0", lambda value: _is_whole(value) and value > 0),
    "seed": ("a whole number", _is_whole),
    "rate": ("a number above 0", _positive),
    "seconds": ("a number above 0", _positive),
    "period": ("a number above 0", _positive),
    "speed": ("a number above 0", _positive),
    "from": ("a number, 0 or above,", _is_rate),
    "to": ("a number, 0 or above,", _is_rate),
    "steps": ("a list of [rate, seconds] (rate 0 or above, seconds above 0)", _is_steps),
    "file": ("the path of a file", lambda value: isinstance(value, str) and value != ""),
}
# The fields that each kind of arrivals takes: those it needs, those it may have.
_KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "closed": (("count",), ()),
    "each": (("count",), ()),
    "constant": (("rate", "seconds"), ()),
    "poisson": (("rate", "seconds", "seed"), ()),
    "bursts": (("period", "size", "seconds"), ("rate",)),
    "ramp": (("from", "to", "seconds"), ("seed",)),
    "steps": (("steps",), ("seed",)),
    "trace": (("file",), ("speed",)),
}


def parse(spec: object, seed: int | str | None = None) -> Arrivals:
    """Return the arrivals that a JSON object describes: {"kind": "poisson", "rate": 100, "seconds": 5, "seed": 1}.

    With a `seed` the schedule is one of a Locust test: the seed is that of a Poisson process that names none, and where
    `seconds` is missing, there is no end. Raises BadInput with every problem, each with what would be valid.
    """
    if not isinstance(spec, Mapping):
        raise BadInput([f"arrivals: an object is needed, not {spec!r}"])
    kind = spec.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise BadInput([f"arrivals.kind: {kind!r} is not one of {', '.join(_KINDS)}"])
    needs, may = _KINDS[kind]
    takes = (*needs, *may)
    problems = [
        f"arrivals.{name}: not known for {kind}; it takes {', '.join(takes)}"
        for name in spec
        if name not in ("kind", *takes)
    ]
    values = {name: spec[name] for name in takes if name in spec}
    if seed is not None and kind in ("constant", "poisson", "bursts"):
        values = {"seconds": math.inf, **({"seed": seed} if kind == "poisson" else {}), **values}
    for name in takes:
        words, valid = _FIELDS[name]
        if name in spec and not valid(spec[name]):
            problems.append(f"arrivals.{name}: {words} is needed, not {spec[name]!r}")
        elif name in needs and name not in values:
            problems.append(f"arrivals.{name}: missing; {words} is needed")
    problems = problems or _contradictions(kind, values)
    if problems:
        raise BadInput(problems)
    return _arrivals(kind, values)


def _contradictions(kind: str, values: Mapping[str, Any]) -> list[str]:
    if kind == "bursts" and "rate" in values and (values["size"] - 1) / values["rate"] >= values["period"]:
        needed = (values["size"] - 1) / values["rate"]
        return [f"arrivals.rate: a burst takes {needed:g} s, and the next one begins after {values['period']:g} s"]
    if kind == "ramp" and not values["from"] and not values["to"]:
        return ["arrivals.to: must be above 0 where `from` is 0"]
    if kind == "steps" and not any(rate for rate, _ in values["steps"]):
        return ["arrivals.steps: one rate at least must be above 0"]
    return []


def _arrivals(kind: str, values: Mapping[str, Any]) -> Arrivals:
    if kind in ("closed", "each"):
        return Arrivals(kind=kind, seconds=0, times=lambda: itertools.repeat(0, values["count"]))
    if kind == "bursts":
        return Arrivals(kind=kind, seconds=values["seconds"], times=lambda: bursts(**values))
    if kind == "trace":
        due = [round(time / values.get("speed", 1)) for time in trace.read(Path(values["file"]))]
        return Arrivals(kind=kind, seconds=due[-1] / SECOND_NS, times=lambda: iter(due))
    if kind == "steps":
        pieces = [Piece(rate, rate, seconds) for rate, seconds in values["steps"]]
    elif kind == "ramp":
        pieces = [Piece(values["from"], values["to"], values["seconds"])]
    else:
        pieces = [Piece(values["rate"], values["rate"], values["seconds"])]
    seconds = sum(piece.seconds for piece in pieces)
    return Arrivals(kind=kind, seconds=seconds, times=lambda: profile(pieces, values.get("seed")))


def from_text(text: str) -> dict[str, Any]:
    """Return what `parse` takes for one line of a load file or of a command line: "bursts period=2 size=50".

    The first word is the kind, the others are fields; values are JSON, or else taken as they stand. Raises BadInput.
    """
    try:
        kind, *words = shlex.split(text)
    except ValueError as error:  # empty, or a quotation mark without its fellow
        raise BadInput(
            [f"arrivals: a kind and its fields are needed, as in 'poisson rate=50', not {text!r}"]
        ) from error
    if wrong := [word for word in words if "=" not in word]:
        raise BadInput([f"arrivals: field=value is needed, not {word!r}" for word in wrong])
    return {"kind": kind} | {name: _value(value) for name, _, value in (word.partition("=") for word in words)}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
