"""Reads an experiment file. Every mistake is reported, each with file and line, before anything is started."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rig.errors import BadInput
from rig.experiment.lines import Key, line_of, locate
from rig.experiment.measure import MEASURES
from rig.experiment.spec import CONTROL, OURS, Expectation, Experiment, Load, Variant, differing

_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")  # goes into service, queue and directory names
_KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,), "whole number": (int,), "number": (int, float), "list": (list,), "table": (dict,),
}  # fmt: skip
Check = Callable[[Any], str]  # what is wrong with a value of the right kind; "" for nothing


def _at_least(low: float) -> Check:
    return lambda value: "" if value >= low else f"must be at least {low}, not {value}"


def _one_of(*valid: str) -> Check:
    return lambda value: "" if value in valid else f"must be one of {', '.join(valid)}, not {value!r}"


def _share(value: float) -> str:
    return "" if 0 < value <= 0.95 else f"must lie above 0 and not above 0.95, not {value}"


def _filled(value: str) -> str:
    return "" if value.strip() else "must not be empty"


def _name(value: str) -> str:
    if value == CONTROL:
        return f"{CONTROL!r} is the name of the A/A control cell; choose another"
    rule = "lower-case letters, digits and '-', a letter first, at most 24 characters"
    return "" if _NAME.fullmatch(value) else f"{value!r} will not do: {rule}"


def _worker(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError as error:
        return f"{value!r} cannot be split into words: {error}"
    taken = [word for word in words if word.partition("=")[0] in OURS]
    return f"{', '.join(taken)}: set by the engine, which gives each cell its own queue and name" if taken else ""


def _anything(_: Any) -> str:
    return ""


# For each table its keys: (kind, check). Keys absent from the file take the default of the dataclass.
_TOP: dict[str, tuple[str, Check]] = {
    "claim": ("text", _filled), "source": ("text", _filled), "expectation": ("table", _anything),
    "load": ("table", _anything), "variants": ("list", _anything), "factors": ("list", _anything),
    "rounds": ("whole number", _at_least(2)),
}  # fmt: skip
_EXPECTATION: dict[str, tuple[str, Check]] = {
    "measure": ("text", _one_of(*MEASURES)), "variant": ("text", _filled),
    "change": ("text", _one_of("higher", "lower", "same")), "percent": ("number", _at_least(0)),
}  # fmt: skip
_LOAD: dict[str, tuple[str, Check]] = {
    "task": ("text", _filled), "args": ("list", _anything), "kwargs": ("table", _anything),
    "backlog": ("whole number", _at_least(100)), "users": ("whole number", _at_least(1)),
    "arrivals": ("text", _one_of("poisson", "constant")), "share": ("number", _share),
    "seconds": ("number", _at_least(0.5)),
}  # fmt: skip


def _variant_keys(topologies: list[str]) -> dict[str, tuple[str, Check]]:
    return {
        "name": ("text", _name), "topology": ("text", _one_of(*topologies)), "worker": ("text", _worker),
        "settings": ("table", _anything), "options": ("table", _anything),
    }  # fmt: skip


def load_experiment(path: Path, topologies: list[str]) -> Experiment:
    """Return the experiment that `path` describes; `topologies` are those that exist. BadInput lists all mistakes."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput([f"{path}: cannot be read: {error}"]) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput([f"{path}: not TOML: {error}"]) from error
    reader = _Reader(path, locate(text))
    experiment = _build(reader, data, topologies)
    if reader.problems or experiment is None:
        ordered = sorted(reader.problems)
        raise BadInput([f"{path}:{line}: {what}" for line, what in ordered])
    return experiment


class _Reader:
    """Takes values out of tables and collects what is wrong with them."""

    def __init__(self, path: Path, lines: dict[Key, int]) -> None:
        self.path, self._lines = path, lines
        self.problems: list[tuple[int, str]] = []

    def wrong(self, key: Key, what: str) -> None:
        self.problems.append((line_of(key, self._lines), what))

    def table(
        self, data: Mapping[str, Any], where: Key, known: dict[str, tuple[str, Check]], required: tuple[str, ...]
    ) -> dict[str, Any]:
        """Return the sound entries of `data`, which stands at `where`."""
        place = f"[{where[0]}] " if where else ""
        for key in data.keys() - known.keys():
            self.wrong((*where, key), f"{place}unknown key {key!r}; valid are {', '.join(known)}")
        for key in required:
            if key not in data:
                self.wrong(where, f"{place}{key} is missing")
        return {key: data[key] for key in known if key in data and self._sound((*where, key), data[key], *known[key])}

    def _sound(self, key: Key, value: Any, kind: str, check: Check) -> bool:
        if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and "number" in kind):
            self.wrong(key, f"{key[-1]} must be a {kind}, not {value!r}")
            return False
        what = check(value)
        if what:
            self.wrong(key, f"{key[-1]} {what}" if what.startswith("must") else f"{key[-1]}: {what}")
        return not what


def _build(reader: _Reader, data: Mapping[str, Any], topologies: list[str]) -> Experiment | None:
    top = reader.table(data, (), _TOP, ("claim", "source", "expectation", "load", "variants"))
    expectation, load, variants = {}, {}, []
    if "expectation" in top:
        expectation = reader.table(top.pop("expectation"), ("expectation",), _EXPECTATION, tuple(_EXPECTATION))
    if "load" in top:
        load = reader.table(top.pop("load"), ("load",), _LOAD, ("task",))
    known = _variant_keys(topologies)
    for index, table in enumerate(top.pop("variants", [])):
        if isinstance(table, dict):
            variants.append(reader.table(table, ("variants", index), known, ("name",)))
        else:
            reader.wrong(("variants",), f"variants must be [[variants]] tables, not {table!r}")
    if reader.problems:  # what follows compares entries with one another, which needs them sound
        return None
    built = tuple(Variant(**variant) for variant in variants)
    _check_together(reader, built, expectation, top.pop("factors", None))
    if reader.problems:
        return None
    load["args"] = tuple(load.get("args", ()))
    return Experiment(
        name=reader.path.stem, path=reader.path, expectation=Expectation(**expectation), load=Load(**load),
        variants=built, factors=differing(built), **top,
    )  # fmt: skip


def _check_together(
    reader: _Reader, variants: tuple[Variant, ...], expectation: Mapping[str, Any], declared: list[str] | None
) -> None:
    names = [variant.name for variant in variants]
    if len(names) < 2:
        reader.wrong(("variants",), f"an experiment needs two or more [[variants]], not {len(names)}")
        return
    for index, name in enumerate(names):
        if name in names[:index]:
            reader.wrong(("variants", index, "name"), f"the name {name!r} is taken by another variant")
    if expectation["variant"] not in names[1:]:
        what = f"variant must be one of those after the first: {', '.join(names[1:])}, not {expectation['variant']!r}"
        reader.wrong(("expectation", "variant"), what)
    found = differing(variants)
    if declared is None and len(found) != 1:
        advice = f"; where more are meant, say: factors = {_toml_list(found)}" if found else ""
        reader.wrong(("variants", 1), f"the variants differ in {len(found)} factors, an experiment changes one{advice}")
    if declared is not None and sorted(map(str, declared)) != list(found):
        reader.wrong(("factors",), f"the variants differ in {_toml_list(found)}, not in {_toml_list(declared)}")


def _toml_list(words: tuple[str, ...] | list[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"
