"""docs/method.md quotes what the simulations give, and says the numbers of the engine as it is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rig import stats
from rig.experiment.file.spec import ALLOWED, Load
from rig.experiment.judge import cautions, gate, windows
from rig.experiment.judge.verdict import EXIT_CODES, TRIAL_ROUNDS
from rig.experiment.measure import BEYOND, WAKING, named
from rig.experiment.plan import FEWEST_ROUNDS
from rig.experiment.run import IDLE_S, RATE_TURNS
from rig.experiment.station import POLL_S
from rig.experiment.turn import FOREIGN_LIMIT, UNEVEN_LIMIT
from rig.selfbench import known
from rig.testbed.variant import Kind
from tests.unit import simulated
from tests.unit.simulated import NOISE, ROUNDS

PAGE = Path(__file__).parents[2] / "docs" / "method.md"
TEXT = PAGE.read_text()
PROSE = " ".join(TEXT.split())
DEFAULT = Load(kinds=(Kind(task="app.noop"),))
WORDS = {0.1: "tenth", 0.25: "a quarter", 2: "two", 4: "four", 6: "six", 8: "eight", 10: "ten"}

SAID = [
    f"after a run-in of {DEFAULT.run_in:g} s",
    f"nothing is sent for {IDLE_S:g} s",
    f"({WORDS[RATE_TURNS]} drains of each cell)",
    f"a look at shared memory every {1000 * POLL_S:g} ms",
    f"in more than {WORDS[windows.SPOILED]} of a cell's turns, what was measured there is struck out",
    f"If the {stats.UNSTEADY_CONFIDENCE:.0%} interval over the rounds lies wholly beyond a {WORDS[0.1]}",
    f"above {windows.FULL:.0%} of what the slowest cell executes",
    f"above {windows.FULL:.0%} of the slowest cell's execution rate",
    f"without the first {WORDS[WAKING]} of its ends",
    f"where {WORDS[BEYOND]} tasks or more lie beyond it: p95 from {20 * BEYOND} tasks on, p99 from {100 * BEYOND:,}",
    f"above `wait_ms` ({DEFAULT.wait_ms:g})",
    f"below {WORDS[cautions.FEW_ROUNDS]} the report warns",
    f"an even number of rounds, {WORDS[FEWEST_ROUNDS]} or more",
    f"fewer than {WORDS[TRIAL_ROUNDS]} rounds a run is a `trial`",
    f"Above {FOREIGN_LIMIT:.0%} of the machine in any phase",
    f"more than {UNEVEN_LIMIT:.0%} of the machine between the turns of a round",
    f"the file may `allow`: {', '.join(ALLOWED)}",
    f"(at {gate.CONTROL_CONFIDENCE:.1%}, so that chance strikes out one row in a thousand)",
    f"{stats.t_quantile(0.975, 1):.1f} standard errors with two runs, {stats.t_quantile(0.975, 2):.1f} with three and "
    f"{stats.t_quantile(0.975, 3):.1f} with four",
    f"move the true ratio by {simulated.BETWEEN_RUNS:.0%}",
    f"in {simulated.EXPERIMENTS:,} experiments at most 5% of the intervals exclude 1",
    f"at a noise of {simulated.START_NOISE['paced_start']:.0%} from round to round",
    f"an interval of {known.SURE:.1%} does not hold the truth",
    *(f"`{word}`" for word in EXIT_CODES),
]


@pytest.mark.parametrize("said", SAID)
def test_the_method_is_described_with_the_engines_own_numbers(said: str) -> None:
    assert said in PROSE


def power() -> Iterator[str]:
    """The table of what is found, line by line."""
    for measure, noise in NOISE.items():
        smallest = [simulated.smallest_found(measure, rounds) / 100 for rounds in (8, ROUNDS)]
        found = (simulated.needed(simulated.measured(noise), ROUNDS) <= math.log(1.03)).mean()
        yield f"| {named(measure).title} | {' | '.join(map(_percent, [noise, *smallest]))} | {found:.0%} |"


def steady() -> Iterator[str]:
    """The table of slow starts that are found, line by line."""
    noise = simulated.START_NOISE["paced_start"]
    for times in (1.5, 2):
        logs = [simulated.beginnings("heavy", noise, rounds) + math.log(times) for rounds in (6, 8, ROUNDS)]
        shares = [f"{share:.0%}" if share < 0.995 else "over 99%" for share in map(simulated.alarms, logs)]
        yield f"| {times:g} times as long | {' | '.join(shares)} |"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share > 0.0995 else f"{100 * share:.1f}%"


def clear_of_one(measure: str) -> str:
    """How often a true 3% has an interval clear of 1 at the default length."""
    mean, half = simulated.intervals(simulated.ratios(simulated.measured(NOISE[measure])))
    return f"{(mean + math.log(1.03) > half).mean():.0%}"


def test_what_is_found_is_quoted_as_the_simulation_has_it() -> None:
    """If numpy draws otherwise, a digit may move: then the lines of `power()` belong on the page."""
    assert "\n".join(power()) in TEXT
    assert f"3% has in {clear_of_one('worker_cpu_batch')} of the experiments for batch worker CPU" in PROSE
    assert f"in {clear_of_one('execution_rate')} for the execution rate" in PROSE


def test_how_often_a_slow_start_is_found_is_quoted_as_the_simulation_has_it() -> None:
    assert "\n".join(steady()) in TEXT


def test_one_run_misses_the_mean_of_all_in_two_cases_of_three() -> None:
    mean, half = simulated.intervals(simulated.ratios(simulated.measured(NOISE["worker_cpu_batch"])))
    own = np.random.default_rng(3).normal(0, simulated.BETWEEN_RUNS, simulated.EXPERIMENTS)
    assert (np.abs(mean + own) > half).mean() == pytest.approx(2 / 3, abs=0.03)
    assert "in two cases of three" in PROSE


def test_what_was_wrong_has_a_row_for_each_of_the_findings_and_no_cell_is_empty() -> None:
    section = TEXT.partition("## What was wrong")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 22
    assert all(len(row) == 4 and all(row) for row in rows)


def test_what_the_page_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT):
        assert (PAGE.parent / target).exists(), target
    for path in re.findall(r"`(tests/[^`]+)`", TEXT):
        assert (PAGE.parents[1] / path).exists(), path
    for anchor in re.findall(r"\]\(#([^)]+)\)", TEXT):
        titles = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
