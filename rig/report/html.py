"""report.html: one file that explains a run to somebody who has never seen the rig. The verdict comes first."""

from __future__ import annotations

from rig.experiment.distributions import Shapes
from rig.experiment.judge.verdict import Held
from rig.experiment.result import Result
from rig.report import effects, facts, flow, names, stages, tail
from rig.report.conclusion import Conclusion
from rig.report.markup import prose, table, tag, text
from rig.report.sentence import quotable
from rig.report.style import STYLE

NO_SHAPES = """\
This figure is not here: the run has no shapes.json, which the rig writes at a run's end from the ledgers."""
LIMITS = """\
One machine, with broker, workers and load generator side by side, one load, and for each cost two regimes. Between a
batch and a paced load ratios of the same cost have differed by a factor, and even in sign. An execution rate is that of
whatever was full, which is said below it: with more cores or another pool it may be something else. Nothing here shows
that a ratio holds on another machine: repeat it there. Absolute values do not carry over at all. A percentile is the
mean over rounds of each round's own, that of a typical round: rare stalls are in the tail of the figure “Latency”."""


def page(of: Conclusion, shapes: Shapes | None) -> str:
    """Return the whole file: no script, nothing that would have to be loaded.

    `shapes` are those of the first run.
    """
    result = of.result
    drawn = {
        "Where the time of a task goes": stages.figure, "Latency": tail.figure, "Throughput over time": flow.figure,
    }  # fmt: skip
    sections = {
        "Effects": effects.figure(of) if of.rows else _note("Too few rounds for a comparison."),
        **{name: _drawn(of, figure(result, shapes)) if shapes else _note(NO_SHAPES) for name, figure in drawn.items()},
        "What became of every task": _account(of),
        "Validity": _validity(of),
        "Round by round": _rounds(of),
        "Machine, software, settings": _manifest(result),
        "How to repeat it": _repeat(of),
    }
    title = f"{result.experiment.name}: {of.verdict.word}"
    head = tag(
        "head", '<meta charset="utf-8">', '<meta name="viewport" content="width=device-width, initial-scale=1">',
        tag("title", text(title)), tag("style", STYLE),
    )  # fmt: skip
    links = (tag("a", text(name), href=f"#{_anchor(name)}") for name in sections)
    body = (
        tag("section", tag("h2", text(name)), content, id=_anchor(name)) for name, content in sections.items()
    )  # fmt: skip
    whole = tag("main", _verdict(of), tag("nav", *links), *body)
    return f"<!doctype html>\n{tag('html', head, tag('body', whole), lang='en')}\n"


def _anchor(name: str) -> str:
    return name.lower().replace(",", "").replace(" ", "-")


def _note(said: str) -> str:
    return tag("p", text(said), class_="note")


def _drawn(of: Conclusion, figure: str) -> str:
    """Say of which run a figure is, where there are several."""
    runs = len(of.results)
    return (_note(f"Run 1 of {runs}; the others have a page in directories of their own.") if runs > 1 else "") + figure


def _verdict(of: Conclusion) -> str:
    experiment, verdict = of.experiment, of.verdict
    source = experiment.source
    linked = tag("a", text(source), href=source) if source.startswith(("http://", "https://")) else text(source)
    stopped = [result.stopped for result in of.results if result.stopped]
    said = [
        ("Claim", f"{text(experiment.claim)} {tag('small', linked)}"),
        ("Expected", text(facts.asked(of.result))),
        *([("Found", text(verdict.because))] if of.valid else []),
        *(("Threshold", _held(held)) for held in verdict.thresholds),
        *(("Stopped", text(why)) for why in dict.fromkeys(stopped)),
        ("Varied", ", ".join(tag("code", text(factor)) for factor in experiment.factors)),
    ]
    listed = tag("dl", *(tag("dt", text(name)) + tag("dd", value) for name, value in said))
    word = tag("h1", tag("span", text(experiment.name), class_="of"), text(verdict.word), class_=_class(verdict.word))
    runs = ", ".join(result.run for result in of.results)
    many = f"{len(of.results)} independent runs: {runs}" if len(of.results) > 1 else f"one run: {runs}"
    kicker = tag("p", text(f"celery-rig · {many}"), class_="kicker")
    return tag("header", kicker, word, "" if of.valid else _reasons(of), _quote(of), listed)


def _held(held: Held) -> str:
    word, class_ = ("kept", "good") if held.kept else ("missed", "bad")
    return tag("b", word, class_=class_) + text(f": {held.said}")


def _quote(of: Conclusion) -> str:
    said = tag("blockquote", text(quotable(of)), class_=None if of.valid else "void")
    return said if of.valid else _note("What the numbers would say, were they valid. Not to be quoted:") + said


def _class(word: str) -> str:
    return "word " + word.replace(" ", "-")


def _reasons(of: Conclusion) -> str:
    if not of.verdict.invalid:
        return ""
    lines = (tag("li", prose(f"{each.reason}. To change: {each.change}.")) for each in of.verdict.invalid)
    return tag("ul", *lines, class_="reasons")


def _account(of: Conclusion) -> str:
    titles, lines = facts.account(of.results)
    if not lines:
        return _note("The run ended before its tasks were accounted for.")
    parts = [table(titles, _called(of.result, lines)), _note(ACCOUNT_NOTE)]
    titles, lines = facts.counters(of.results)
    if lines:
        parts += [
            tag("h3", "The same, as each witness counted it"),
            table(titles, _called(of.result, lines)),
            _note(COUNTERS_NOTE),
        ]
    return "".join(parts)


def _called(result: Result, lines: facts.Lines) -> facts.Lines:
    """Name the control as everywhere: 'stored again (A/A)'. In a series the run's number stands before it."""
    called = []
    for first, *rest in lines:
        run, colon, cell = first.rpartition(": ")
        called.append([f"{run}{colon}{names.called(result, cell)}", *rest])
    return called


ACCOUNT_NOTE = """\
Every task has an id that says who sent it, warm-up included. Lost: the broker confirmed it, it never ended, and it is
not in the broker any more. Duplicated: started more often than it was retried. Foreign: deliveries of messages that no
ledger's publisher sent. A good table has the same number in the first four columns and zeros behind them."""
COUNTERS_NOTE = "A good table has one number in each line, and nothing left. Where they differ the run is invalid."


def _validity(of: Conclusion) -> str:
    parts = [_reasons(of) or tag("p", text(facts.VALID))]
    warnings = of.warnings
    if warnings:
        parts += [tag("h3", "To keep in mind"), tag("ul", *(tag("li", prose(f"{said}.")) for said in warnings))]
    titles, lines = facts.conditions(of.results)
    if lines:
        parts += [tag("h3", "What the gate looked at"), table(titles, _called(of.result, lines)), _note(GATE_NOTE)]
    titles, lines = facts.rig(of.results)
    if lines:
        parts += [tag("h3", "What the rig itself used"), table(titles, lines), _note(RIG_NOTE)]
    return "".join([*parts, tag("h3", "What this cannot say"), tag("p", text(LIMITS))])


GATE_NOTE = """\
Of the turns that count: share of the offered rate that the paced load reached; how late tasks were sent; how late the
generator’s event loop was, and how much of its one core it used; how much of the machine others used in any phase; how
the beginning of the window and of the drain compares with the rest, which is near 1 where both are steady. The limits,
and how many turns may break them, are in docs/method.md. A bad one: lateness as large as the latencies."""
RIG_NOTE = "It is part of “everything else”. A good table has the same in the first round and the last."


def _rounds(of: Conclusion) -> str:
    titles, lines = facts.rounds(of.results)
    if not lines:
        return _note("No round was finished.")
    head = tag("p", text(f"{facts.capital(facts.judged(of.result))} of each cell."))
    return head + table(titles, lines, "rounds") + _note(ROUNDS_NOTE)


ROUNDS_NOTE = """\
The control is the first variant again. Ratios are taken within a line, so a round that was slow for all does no harm. A
bad table: one cell is odd in one round alone, or the first rounds differ from the last."""


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


def _repeat(of: Conclusion) -> str:
    titles, lines = facts.idle(of.results)
    idle = [tag("h3", "What was used while nothing was sent"), table(titles, lines), _note(IDLE_NOTE)] if lines else []
    return tag("pre", text(facts.command(of.results))) + tag("p", text(facts.method(of.results))) + "".join(idle)


IDLE_NOTE = """\
Measured before the first round and after the last, and subtracted from every cost. A broker or a result store that
cells share is the same in all of them. A bad table: after differs much from before."""
