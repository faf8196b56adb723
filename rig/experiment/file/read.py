"""Reads an experiment file. Every mistake is reported, each with file and line, before anything is started."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rig.errors import BadInput
from rig.experiment.file import keys
from rig.experiment.file.lines import Key
from rig.experiment.file.reader import Reader, Table
from rig.experiment.file.spec import Assertion, Expectation, Experiment, Load, Threshold, differing
from rig.experiment.file.tables import ONE_KIND, load_of, variant_of
from rig.experiment.measure import FACTS, measures_of
from rig.load.send.calls import DELAY
from rig.stack.paths import DEFAULT_TOPOLOGY
from rig.stack.topology import Topology
from rig.testbed.variant import Variant


def load_experiment(path: Path, topologies: Mapping[str, Topology]) -> Experiment:
    """Return the experiment that `path` describes; `topologies` are those that exist. BadInput lists all mistakes."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput([f"{path}: cannot be read: {error}"]) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput([f"{path}: not TOML: {error}"]) from error
    return _build(Reader(path, text), data, topologies)


def _build(reader: Reader, data: Mapping[str, Any], topologies: Mapping[str, Topology]) -> Experiment:
    top = reader.table(data, (), keys.TOP, ("claim", "source", "expectation", "load", "variants"))
    expectation: Table = {}
    if "expectation" in top:
        expectation = reader.table(top["expectation"], ("expectation",), keys.EXPECTATION, [*keys.EXPECTATION])
    load = _load(reader, top["load"]) if "load" in top else {}
    variants = _variants(reader, top.get("variants", []), topologies)
    thresholds = reader.tables(top.get("thresholds", []), ("thresholds",), keys.THRESHOLD, ("measure", "variant"))
    asserted = reader.tables(top.get("assert", []), ("assert",), keys.ASSERT, ("variant", "fact"))
    _check_measures(reader, load, expectation, thresholds)
    reader.refuse()  # what follows compares entries with one another, which needs them sound
    built_load, built = load_of(load), tuple(variant_of(variant) for variant in variants)
    _check_names(reader, built, expectation, thresholds)
    _check_assertions(reader, built, asserted)
    _check_factors(reader, built, top.get("factors"))
    _check_queues(reader, built, built_load)
    reader.refuse()
    return Experiment(
        name=reader.path.stem, path=reader.path, expectation=Expectation(**expectation), load=built_load,
        variants=built, factors=differing(built), thresholds=tuple(Threshold(**each) for each in thresholds),
        assertions=tuple(Assertion(**each) for each in asserted), allow=tuple(top.get("allow", ())),
        **{key: top[key] for key in ("claim", "source", "rounds", "stop_at") if key in top},
    )  # fmt: skip


def _load(reader: Reader, data: Table) -> Table:
    load = reader.table(data, ("load",), keys.LOAD)
    if "goal" in load:
        load["goal"] = reader.table(load["goal"], ("load", "goal"), keys.GOAL, [*keys.GOAL])
    if "kinds" not in data:
        if "task" not in data:
            reader.wrong(("load",), "[load] task is missing (or [[load.kinds]], where there are several)")
        return load
    for key in ONE_KIND:
        if key in data:
            reader.wrong(("load", key), f"[load] {key} is for a load of one kind; say it in each of [[load.kinds]]")
    kinds = reader.tables(load.get("kinds", []), ("load", "kinds"), keys.KIND, ("name", "task", "share"))
    names = [kind.get("name") for kind in kinds]
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            reader.wrong(("load", "kinds", index, "name"), f"the name {name!r} is taken by another kind")
    total = math.fsum(kind.get("share", math.nan) for kind in kinds)
    if abs(total - 1) > 1e-6:  # a sum that is no number has been complained of already
        reader.wrong(("load", "kinds", 0), f"the shares of [[load.kinds]] must sum to 1, not to {total:g}")
    return load | {"kinds": kinds}


def _variants(reader: Reader, data: Sequence[Any], topologies: Mapping[str, Topology]) -> list[Table]:
    variants = reader.tables(data, ("variants",), keys.variant(topologies), ("name",))
    for index, variant in enumerate(variants):
        where: Key = ("variants", index)
        if "workers" in variant:
            if "worker" in variant:
                reader.wrong((*where, "worker"), "worker is for one worker; say it in each of [[variants.workers]]")
            known = (*where, "workers")
            variant["workers"] = reader.tables(variant["workers"], known, keys.WORKER, ("worker",))
        if variant.get("options") and variant.get("call") == DELAY:
            reader.wrong((*where, "options"), 'options: delay() takes none; use call = "apply_async"')
        on = topologies.get(variant.get("topology", DEFAULT_TOPOLOGY))
        if variant.get("queue_arguments") and on and not on.declares_queues:
            reader.wrong((*where, "queue_arguments"), "queue_arguments are RabbitMQ's: on Redis no queue is declared")
    return variants


def _check_measures(reader: Reader, load: Table, expectation: Table, thresholds: Sequence[Table]) -> None:
    kinds = [kind["name"] for kind in load.get("kinds", ()) if "name" in kind]
    valid = measures_of(kinds, goal="goal" in load)
    tables = [(("expectation",), expectation), *((("thresholds", i), each) for i, each in enumerate(thresholds))]
    where: Key
    for where, table in tables:
        if "measure" in table and table["measure"] not in valid:
            what = f"measure must be one of {', '.join(valid)}, not {table['measure']!r}"
            reader.wrong((*where, "measure"), what)


def _check_names(reader: Reader, variants: Sequence[Variant], expectation: Table, thresholds: Sequence[Table]) -> None:
    names = [variant.name for variant in variants]
    if len(names) < 2:
        reader.wrong(("variants",), f"an experiment needs two or more [[variants]], not {len(names)}")
        return
    for index, name in enumerate(names):
        if name in names[:index]:
            reader.wrong(("variants", index, "name"), f"the name {name!r} is taken by another variant")
    tables = [(("expectation",), expectation), *((("thresholds", i), each) for i, each in enumerate(thresholds))]
    where: Key
    for where, table in tables:
        if table["variant"] not in names[1:]:
            what = f"variant must be one of those after the first: {', '.join(names[1:])}, not {table['variant']!r}"
            reader.wrong((*where, "variant"), what)
    for index, threshold in enumerate(thresholds):
        _check_bounds(reader, ("thresholds", index), threshold)


def _check_assertions(reader: Reader, variants: Sequence[Variant], asserted: Sequence[Table]) -> None:
    names = [variant.name for variant in variants]
    for index, each in enumerate(asserted):
        where: Key = ("assert", index)
        _check_bounds(reader, where, each)
        for key, valid in (("variant", names), ("fact", list(FACTS))):
            if each[key] not in valid:
                reader.wrong((*where, key), f"{key} must be one of {', '.join(valid)}, not {each[key]!r}")


def _check_bounds(reader: Reader, where: Key, table: Table) -> None:
    if "at_most" not in table and "at_least" not in table:
        reader.wrong(where, f"[{where[0]}] needs at_most, at_least or both")


def _check_factors(reader: Reader, variants: tuple[Variant, ...], declared: list[str] | None) -> None:
    if len(variants) < 2:
        return
    found = differing(variants)
    if declared is None and len(found) != 1:
        advice = f"; where more are meant, say: factors = {_toml_list(found)}" if found else ""
        reader.wrong(("variants", 1), f"the variants differ in {len(found)} factors, an experiment changes one{advice}")
    if declared is not None and sorted(map(str, declared)) != list(found):
        reader.wrong(("factors",), f"the variants differ in {_toml_list(found)}, not in {_toml_list(declared)}")


def _check_queues(reader: Reader, variants: Sequence[Variant], load: Load) -> None:
    """Every kind has a queue, and every queue somebody who consumes it."""
    kinds = [kind.name for kind in load.kinds]
    for index, variant in enumerate(variants):
        where: Key = ("variants", index)
        if variant.queues and sorted(variant.queues) != sorted(kinds):
            of = ", ".join(kinds) if kinds != [""] else "none: the load has no [[load.kinds]]"
            reader.wrong((*where, "queues"), f"queues must name each kind of the load once ({of})")
            continue
        consumed: set[str] = set()
        for number, worker in enumerate(variant.workers):
            consumed.update(worker.queues or variant.logical_queues)
            for queue in worker.queues:
                if queue not in variant.logical_queues:
                    what = f"queues: no kind goes to {queue!r}; the variant's queues table has "
                    valid = ", ".join(filter(None, variant.logical_queues)) or "none"
                    reader.wrong((*where, "workers", number, "queues"), what + valid)
        for queue in variant.logical_queues:
            if queue not in consumed:
                reader.wrong((*where, "workers", 0), f"no worker consumes the queue {queue!r}")


def _toml_list(words: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"
