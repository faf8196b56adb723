"""How often an experiment has been tried, and what came of it: who repeats a run until it pleases shows it in the last.

`.rig/attempts.jsonl` of the checkout has a line for each run that was judged: the experiment as its file said it (a
hash), and the verdict. Deleting run directories deletes nothing there.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rig.experiment.file.spec import Experiment

FILE = Path(".rig") / "attempts.jsonl"


def identity(experiment: Experiment) -> str:
    """Return what tells an experiment from another: all that its file says but for the number of rounds."""
    said = {key: value for key, value in asdict(experiment).items() if key not in ("path", "rounds")}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


def earlier(root: Path, experiment: Experiment) -> Mapping[str, int]:
    """Return how many earlier runs of `experiment` in the checkout at `root` had each verdict."""
    wanted = identity(experiment)
    try:
        lines = (root / FILE).read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return dict(Counter(said["word"] for line in lines if (said := _read(line)).get("experiment") == wanted))


def note(root: Path, experiment: Experiment, run: str, word: str) -> None:
    """Add a run that was judged; without a word where nothing can be written."""
    line = json.dumps({"experiment": identity(experiment), "name": experiment.name, "run": run, "word": word})
    try:
        (root / FILE).parent.mkdir(exist_ok=True)
        with (root / FILE).open("a") as file:
            file.write(line + "\n")
    except OSError:
        return


def _read(line: str) -> dict[str, str]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) and "word" in said else {}
