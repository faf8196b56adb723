"""The settings of a stack: `.env` in Compose's own syntax, and the environment over it, as Compose itself does."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def parse(text: str) -> dict[str, str]:
    """`NAME=value` lines; blank lines, `#` comments (first or after a space) and one pair of quotes are allowed.

    Values are taken as they stand: nothing is interpolated, and ours need none.
    """
    values = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match:
            values[match[1]] = _value(match[2])
    return values


def _value(raw: str) -> str:
    for quote in "'\"":
        end = raw.find(quote, 1)
        if raw.startswith(quote) and end > 0:
            return raw[1:end]
    return re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].strip()


def read(path: Path) -> dict[str, str]:
    """The settings in a file; none when the file does not exist."""
    return parse(path.read_text()) if path.exists() else {}


def layered(path: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What `.env` names, with the environment's value where that is set and not empty.

    `TOPOLOGY= make up` thus means the default, as it does for `${TOPOLOGY:-…}` in Compose.
    """
    values = read(path)
    return {name: environment.get(name) or value for name, value in values.items()}


def write(path: Path, values: Mapping[str, str], header: str) -> None:
    """Write `NAME=value` lines under a comment, whole or not at all."""
    lines = [f"# {line}" for line in header.splitlines()] + [f"{name}={value}" for name, value in values.items()]
    temporary = path.with_name(path.name + ".new")
    temporary.write_text("\n".join(lines) + "\n")
    temporary.replace(path)
