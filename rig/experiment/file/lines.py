"""Where in a TOML file a key stands: `tomllib` forgets it, and a complaint without a line is half a complaint."""

from __future__ import annotations

import re
import tomllib

Key = tuple[str | int, ...]  # ("variants", 1, "settings"): the way to a value; the second [[variants]] table is 1

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z0-9_\-.\"']+)\s*=")


def locate(text: str) -> dict[Key, int]:
    """Return the line (from 1) of every table and key of a valid TOML `text`; keys of inline tables have none."""
    found: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if header := _HEADER.match(line):
            table = _resolve(_split(header[2]), counts)
            if header[1] == "[[":
                index = counts.get(table, 0)
                counts[table] = index + 1
                table = (*table, index)
            found.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            found[(*table, *_split(assignment[1]))] = number
            number += _continuation(lines[number - 1 :])
    return found


def line_of(key: Key, lines: dict[Key, int]) -> int:
    """Return the line of `key`, or of the nearest table around it, or 1."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 1)


def _split(dotted: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _resolve(path: Key, counts: dict[Key, int]) -> Key:
    """[variants.options] means the options of the last [[variants]] so far."""
    resolved: Key = ()
    for position, part in enumerate(path):
        resolved = (*resolved, part)
        if resolved in counts and position < len(path) - 1:
            resolved = (*resolved, counts[resolved] - 1)
    return resolved


def _continuation(lines: list[str]) -> int:
    """Return how many lines after `lines[0]`, an assignment, still belong to its value."""
    for extra in range(len(lines)):
        try:
            tomllib.loads("\n".join(lines[: extra + 1]))
        except tomllib.TOMLDecodeError:
            continue
        return extra
    return 0
