"""Takes the values out of a TOML file's tables, and collects what is wrong with them, each with its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rig.errors import BadInput
from rig.experiment.file import keys
from rig.experiment.file.lines import Key, line_of, locate

Table = dict[str, Any]


class Reader:
    """`path` and its `text` are those of the file; `problems` grows."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.problems: list[tuple[int, str]] = []
        self._lines = locate(text)

    def wrong(self, key: Key, what: str) -> None:
        """Say `what` is wrong at `key`."""
        self.problems.append((line_of(key, self._lines), what))

    def refuse(self) -> None:
        """Raise BadInput with all problems, in the order of their lines, if there are any."""
        if self.problems:
            raise BadInput([f"{self.path}:{line}: {what}" for line, what in sorted(self.problems)])

    def table(self, data: Mapping[str, Any], where: Key, known: keys.Keys, required: Sequence[str] = ()) -> Table:
        """Return the sound entries of `data`, which stands at `where`."""
        place = f"[{_dotted(where)}] " if where else ""
        for key in data.keys() - known.keys():
            self.wrong((*where, key), f"{place}unknown key {key!r}; valid are {', '.join(known)}")
        for key in required:
            if key not in data:
                self.wrong(where, f"{place}{key} is missing")
        return {key: data[key] for key in known if key in data and self._sound((*where, key), data[key], *known[key])}

    def tables(self, data: Sequence[Any], where: Key, known: keys.Keys, required: Sequence[str] = ()) -> list[Table]:
        """Return the sound entries of each of the tables in the list `data`, which stands at `where`."""
        found = []
        for index, table in enumerate(data):
            if isinstance(table, dict):
                found.append(self.table(table, (*where, index), known, required))
            else:
                self.wrong(where, f"{where[-1]} must be [[{_dotted(where)}]] tables, not {table!r}")
        return found

    def _sound(self, key: Key, value: Any, kind: str, check: keys.Check) -> bool:
        if not isinstance(value, keys.TYPES[kind]) or (isinstance(value, bool) and "number" in kind):
            self.wrong(key, f"{key[-1]} must be a {kind}, not {value!r}")
            return False
        what = check(value)
        if what:
            self.wrong(key, f"{key[-1]} {what}" if what.startswith("must") else f"{key[-1]}: {what}")
        return not what


def _dotted(where: Key) -> str:
    return ".".join(part for part in where if isinstance(part, str))
