"""What a terminal shows of a run: the verdict, the judged measure, costs in both regimes; the page has the rest."""

from __future__ import annotations

from collections.abc import Iterator

from rig.experiment.costs import REGIMES
from rig.report import lines, table
from rig.report.conclusion import Conclusion
from rig.report.sentence import quotable


def summary(of: Conclusion) -> str:
    """Return the verdict, what it rests on, and what must be known to believe it."""
    verdict = of.verdict
    parts = [f"{of.experiment.name}: {verdict.word}. {verdict.because}."]
    if of.rows:
        parts += [quotable(of)] if of.valid else []
        parts += _tables(of)
        parts.append(_besides(of))
    parts += [f"threshold {'kept' if held.kept else 'missed'}: {held.said}" for held in verdict.thresholds]
    parts += [f"invalid: {problem.reason}. To change: {problem.change}." for problem in verdict.invalid]
    parts += [f"mind: {said}." for said in of.warnings]
    return "\n\n".join(parts)


def _tables(of: Conclusion) -> Iterator[str]:
    variant = of.experiment.expectation.variant
    yield table.shown(table.judged(of), table.as_text)
    for suffix in REGIMES:
        costs = table.cost_table(of, variant, suffix)
        if costs.lines:
            yield table.shown(costs, table.as_text)
    yield "noise: what two cells of the same variant may differ by in this run"


# What the report has besides, and the measures that it is about.
BESIDES = {
    "latency": ("p50", "p95", "p99", "waiting", "publish_ms"), "bytes": ("broker_bytes", "results_bytes"),
    "operations": ("broker_operations",), "memory": ("worker_memory",), "rates": ("execution_rate", "sustainable_rate"),
}  # fmt: skip


def _besides(of: Conclusion) -> str:
    """Name what else the report has, and which of it may not be used."""
    variant, more = of.experiment.expectation.variant, len(of.experiment.variants) - 2
    judged, base = of.experiment.expectation.measure, of.experiment.baseline.name
    found = lines.others(of.rows, judged, base, variant, of.verdict.invalid)
    said = [f"costs of {more} more variant{'s' * (more > 1)}"] if more > 0 else []
    for name, measures in BESIDES.items():
        own = [each for each in found if each.measure.partition(".")[0] in measures]
        if own:
            said.append(f"{name} ({lines.UNUSABLE})" if any(each.against for each in own) else name)
    return f"The report has besides: {', '.join([*said, 'lost and duplicated tasks, idle costs, rounds'])}."
