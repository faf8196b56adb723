"""report.html: one file that explains a run to somebody who has never seen the rig. The verdict comes first."""

from __future__ import annotations

from collections.abc import Sequence

from rig.experiment import check
from rig.experiment.compare import Row
from rig.experiment.result import Result
from rig.experiment.shapes import Shapes
from rig.experiment.verdict import Held, Verdict
from rig.report import effects, facts, flow, names, stack, tail
from rig.report.markup import prose, table, tag, text
from rig.report.sentence import quotable
from rig.report.style import STYLE

NO_SHAPES = """\
This figure is not here: the run has no shapes.json, which later versions of the rig write at its end from the
ledgers."""
LIMITS = """\
One machine, with broker, workers and load generator side by side. Ratios of CPU a task tend to travel to other
machines; ratios that come from contention for the same cores do not. Absolute values do not travel at all."""


def page(result: Result, rows: Sequence[Row], verdict: Verdict, shapes: Shapes | None) -> str:
    """Return the whole file: no script, nothing that would have to be loaded."""
    sections = {
        "Effects": effects.figure(result, rows) if rows else _note("Too few rounds for a comparison."),
        "Where the time of a task goes": stack.figure(result, shapes) if shapes else _note(NO_SHAPES),
        "Latency": tail.figure(result, shapes) if shapes else _note(NO_SHAPES),
        "Throughput over time": flow.figure(result, shapes) if shapes else _note(NO_SHAPES),
        "What became of every task": _account(result),
        "Validity": _validity(result, verdict),
        "Round by round": _rounds(result),
        "Machine, software, settings": _manifest(result),
        "How to repeat it": _repeat(result),
    }
    title = f"{result.experiment.name}: {verdict.word}"
    head = tag(
        "head", '<meta charset="utf-8">', '<meta name="viewport" content="width=device-width, initial-scale=1">',
        tag("title", text(title)), tag("style", STYLE),
    )  # fmt: skip
    links = (tag("a", text(name), href=f"#{_anchor(name)}") for name in sections)
    body = (
        tag("section", tag("h2", text(name)), content, id=_anchor(name)) for name, content in sections.items()
    )  # fmt: skip
    whole = tag("main", _verdict(result, rows, verdict), tag("nav", *links), *body)
    return f"<!doctype html>\n{tag('html', head, tag('body', whole), lang='en')}\n"


def _anchor(name: str) -> str:
    return name.lower().replace(",", "").replace(" ", "-")


def _note(said: str) -> str:
    return tag("p", text(said), class_="note")


def _verdict(result: Result, rows: Sequence[Row], verdict: Verdict) -> str:
    experiment = result.experiment
    source = experiment.source
    linked = tag("a", text(source), href=source) if source.startswith(("http://", "https://")) else text(source)
    wanted = experiment.expectation
    asked = f"{facts.judged(result)} of {wanted.variant} against {experiment.baseline.name}: {facts.expected(result)}"
    said = [
        ("Claim", f"{text(experiment.claim)} {tag('small', linked)}"),
        ("Expected", text(asked)),
        *([] if verdict.invalid else [("Found", text(verdict.because))]),
        *(("Threshold", _held(held)) for held in verdict.thresholds),
        *([("Stopped", text(result.stopped))] if result.stopped else []),
        ("Varied", ", ".join(tag("code", text(factor)) for factor in experiment.factors)),
    ]
    listed = tag("dl", *(tag("dt", text(name)) + tag("dd", value) for name, value in said))
    word = tag("h1", tag("span", text(experiment.name), class_="of"), text(verdict.word), class_=_class(verdict.word))
    kicker = tag("p", text(f"celery-rig · run {result.run}"), class_="kicker")
    return tag("header", kicker, word, _reasons(verdict), _quote(result, rows, verdict), listed)


def _held(held: Held) -> str:
    word, class_ = ("kept", "good") if held.kept else ("missed", "bad")
    return tag("b", word, class_=class_) + text(f": {held.said}")


def _quote(result: Result, rows: Sequence[Row], verdict: Verdict) -> str:
    said = tag("blockquote", text(quotable(result, rows)), class_="void" if verdict.invalid else None)
    return _note("What the numbers would say, were they valid. Not to be quoted:") + said if verdict.invalid else said


def _class(word: str) -> str:
    return "word " + word.replace(" ", "-")


def _reasons(verdict: Verdict) -> str:
    if not verdict.invalid:
        return ""
    lines = (tag("li", prose(f"{each.reason}. To change: {each.change}.")) for each in verdict.invalid)
    return tag("ul", *lines, class_="reasons")


def _account(result: Result) -> str:
    titles, lines = facts.account(result)
    if not lines:
        return _note("The run ended before its tasks were accounted for.")
    parts = [table(titles, _called(result, lines)), _note(ACCOUNT_NOTE)]
    titles, lines = facts.counters(result)
    if lines:
        parts += [
            tag("h3", "The same, as each witness counted it"),
            table(titles, _called(result, lines)),
            _note(COUNTERS_NOTE),
        ]
    return "".join(parts)


def _called(result: Result, lines: facts.Lines) -> facts.Lines:
    return [[names.called(result, cell), *rest] for cell, *rest in lines]


ACCOUNT_NOTE = """\
Every task has an id that says who sent it, warm-up included. Lost: the broker confirmed it, it never ended, and it is
not in the broker any more. Duplicated: started more often than it was retried. A good table has the same number in
the first four columns and zeros behind them."""
COUNTERS_NOTE = "A good table has one number in each line, and nothing left. Where they differ the run is invalid."


def _validity(result: Result, verdict: Verdict) -> str:
    parts = [_reasons(verdict) or tag("p", text(facts.VALID))]
    warnings = check.warnings(result)
    if warnings:
        parts += [tag("h3", "To keep in mind"), tag("ul", *(tag("li", prose(f"{said}.")) for said in warnings))]
    titles, lines = facts.conditions(result)
    if lines:
        parts += [tag("h3", "What the gate looked at"), table(titles, _called(result, lines)), _note(GATE_NOTE)]
    return "".join([*parts, tag("h3", "What this cannot say"), tag("p", text(LIMITS))])


GATE_NOTE = """\
Of the turns that count: share of the offered rate that the paced load reached; how late tasks were sent; how late the
generator’s event loop was, and how much of its one core it used; how much of the machine others used in any phase. The
limits, and how many turns may break them, are in docs/method.md. A bad one: lateness as large as the latencies."""


def _rounds(result: Result) -> str:
    titles, lines = facts.rounds(result)
    if not lines:
        return _note("No round was finished.")
    head = tag("p", text(f"{facts.capital(facts.judged(result))} of each cell."))
    return head + table(titles, lines, "rounds") + _note(ROUNDS_NOTE)


ROUNDS_NOTE = """\
The control is the first variant again. Ratios are taken within a line, so a round that was slow for all does no harm. A
bad table: one cell is odd in one round
alone, or the first rounds differ from the last."""


def _manifest(result: Result) -> str:
    parts = []
    for name, factors in facts.variants(result).items():
        lines = (
            tag("dt", text(factor)) + tag("dd", tag("code", text(value)), class_=_varied(result, factor))
            for factor, value in factors
        )
        parts.append(tag("div", tag("h3", text(name)), tag("dl", *lines, class_="facts")))
    seen = facts.machine(result) or [("unknown", "the run ended before it was written down")]
    machine = tag("dl", *(tag("dt", text(name)) + tag("dd", text(value)) for name, value in seen), class_="facts")
    return tag("div", *parts, class_="variants") + tag("h3", "Machine and software") + machine


def _varied(result: Result, factor: str) -> str | None:
    return "varied" if factor in result.experiment.factors else None


def _repeat(result: Result) -> str:
    return tag("pre", text(facts.command(result))) + tag("p", text(facts.method(result)))
