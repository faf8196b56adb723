"""docs/method.md says the numbers that the engine uses, and its table comes from the experiment as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rig import stats
from rig.experiment.file.spec import Experiment, Load
from rig.experiment.judge import gate, windows
from rig.experiment.result import load_all
from rig.experiment.run import TOO_MUCH
from rig.experiment.search import FLOOR, PROBES
from rig.experiment.station import WARM_TASKS
from rig.experiment.turn import FOREIGN_LIMIT
from rig.selfbench import truth
from rig.stack.paths import Checkout
from rig.testbed.variant import Kind
from tests.records import CURRENT, ROOT, record

PROSE = " ".join((ROOT / "docs" / "method.md").read_text().split())
WORDS = {5: "five", 15: "fifteen", 16: "sixteen", 0.1: "a tenth"}
DEFAULT = Load(kinds=(Kind(task="app.noop"),))
ROUNDS = Experiment.__dataclass_fields__["rounds"].default

SAID = [
    f"{WARM_TASKS} tasks, not measured",
    f"{DEFAULT.users} users publish {DEFAULT.backlog:,} tasks",
    f"an open-loop load for {DEFAULT.seconds:g} s, after a run-in of {DEFAULT.run_in:g} s",
    f"whose end-to-end time is above `wait_ms` ({DEFAULT.wait_ms:g})",
    f"a share ({DEFAULT.share:.0%}) of what",
    f"{WORDS[PROBES]} more paced loads",
    f"between {WORDS[FLOOR]} of the cell's drain rate and all of it",
    f"There are at most {WORDS[ROUNDS]}, after a warm-up round",
    f"with {WORDS[ROUNDS]} rounds, {WORDS[ROUNDS - 1]} degrees of freedom",
    f"Student's t interval, {stats.CONFIDENCE:.0%}",
    f"Student's t is asked for {stats.STOPPING:.0%} and not for {stats.CONFIDENCE:.0%}",
    f"Above {FOREIGN_LIMIT:.0%} of the machine in any phase",
    f"others used more than {FOREIGN_LIMIT:.0%} of the machine's CPU",
    f"less than {1 - windows.MISSED_RATE:.0%} of the rate it was offered",
    f"more than {windows.BUSY_LIMIT:.0%} of a core",
    f"more than {windows.LOOP_LAG_LIMIT_US / 1000:g} ms late at that percentile",
    f"more than {TOO_MUCH:.0%} of what the slowest cell drains in the warm-up",
    f"the hypervisor gave more than {gate.STOLEN_MOST:.0%} of it to others",
    f"more than {gate.CLOCK_LIMIT_MS:g} ms apart",
    f"(at {gate.CONTROL_CONFIDENCE:.1%}, so that chance strikes out one row in a thousand)",
    f"an interval of {truth.SURE:.1%} does not hold the truth",
]


@pytest.mark.parametrize("said", SAID)
def test_the_method_is_described_with_the_engines_own_numbers(said: str) -> None:
    assert said in PROSE


@pytest.mark.parametrize("name", [name for name in truth.NAMES if record.TRUTH / name in CURRENT])
def test_the_record_of_known_differences_was_measured_with_the_file_as_it_is(name: str) -> None:
    (measured,) = (result.experiment for result in load_all(record.TRUTH / name))
    now = replace(truth.experiment(name, Checkout(root=ROOT, settings={})), rounds=measured.rounds)
    assert measured == now, f"{now.path} has changed since: rig selfbench truth"
