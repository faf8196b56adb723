"""What an exporter leaves to the one that takes over after it: how far it has counted, and what it had counted.

It lies in the ledger's directory and is written at each scrape. So counters go on across a restart: what has been
scraped is not counted again, and what has not is still in the ledger. Starting again from nothing would lose counts:
Prometheus notices a reset only if the new value is below the old one.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

NAME: Final = ".counted"
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")  # monotonic stamps compare only within one boot

Host = tuple[str, str]  # role, hostname


@dataclass(frozen=True, kw_only=True)
class Bookmark:
    """`until`: nanoseconds of the monotonic clock of boot `boot_id`; what happened later has not been counted."""

    boot_id: str = ""
    until: int = 0
    totals: dict[str, Any] = field(default_factory=dict)  # as `Tally.dump` gives them
    problems: Counter[str] = field(default_factory=Counter)
    slots: Counter[str] = field(default_factory=Counter)
    hosts: list[tuple[str, str, int, bool]] = field(default_factory=list)  # role, host, last seen alive, is a worker

    @property
    def of_this_boot(self) -> bool:
        """Whether the times in it compare with now."""
        return self.boot_id == this_boot()


def this_boot() -> str:
    """Return what tells this boot of the machine from any other."""
    return BOOT_ID.read_text().strip()


def save(directory: Path, bookmark: Bookmark) -> None:
    """Replace the bookmark in `directory`. Raises OSError."""
    fresh = directory / f"{NAME}.new"
    fresh.write_text(json.dumps(vars(bookmark)))
    fresh.rename(directory / NAME)


def load(directory: Path) -> Bookmark:
    """Return the bookmark in `directory`, an empty one if there is none. Raises ValueError if it cannot be read."""
    try:
        found = json.loads((directory / NAME).read_text())
        return Bookmark(
            boot_id=str(found["boot_id"]), until=int(found["until"]), totals=dict(found["totals"]),
            problems=Counter(found["problems"]), slots=Counter(found["slots"]),
            hosts=[(str(role), str(host), int(seen), bool(worker)) for role, host, seen, worker in found["hosts"]],
        )  # fmt: skip
    except FileNotFoundError:
        return Bookmark()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"cannot read {NAME}: {error!r}") from error
