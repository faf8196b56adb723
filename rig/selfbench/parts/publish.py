"""The part `publish`: Locust's rate of sending against a bare loop."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict

from rig.selfbench import generator, sending
from rig.selfbench.generator import CONFIRMED, PLAIN, Generator
from rig.selfbench.part import Found, Job
from rig.selfbench.sending import BARE, LOCUST, Sends

TITLE = "one Locust user against a bare loop of apply_async: a no-op to RabbitMQ, each process on the same one core"
ROUNDS = 8
WORDS = {PLAIN: "no confirms", CONFIRMED: "confirms"}
SENDS = {PLAIN: 8_000, CONFIRMED: 3_000}  # a confirm takes the broker a millisecond


def measure(job: Job) -> Found:
    """Let both send in each round, in random order, each a process of its own."""
    rounds, share = (3, 0.2) if job.quick else (ROUNDS, 1.0)
    found: dict[str, dict[str, list[Sends]]] = {setting: defaultdict(list) for setting in WORDS}
    with generator.running(job.checkout, *WORDS) as (_, generators):
        for number, order in enumerate(sending.plan(rounds, list(WORDS), job.seed), 1):
            for setting, way in order:
                found[setting][way].append(_sends(generators[setting], way, int(SENDS[setting] * share)))
            shown = (f"{WORDS[s]} {found[s][LOCUST][-1].per_second / found[s][BARE][-1].per_second:.3f}" for s in WORDS)
            print(f"  round {number} of {rounds}: {', '.join(shown)}", flush=True)
    figures = [figure for setting, words in WORDS.items() for figure in sending.figures(words, found[setting])]
    raw = {
        WORDS[setting]: {way: list(map(asdict, own)) for way, own in ways.items()} for setting, ways in found.items()
    }
    return Found(figures=figures, raw=raw)


def _sends(using: Generator, way: str, count: int) -> Sends:
    if way == BARE:
        return sending.of_loop(using.bare(str(count), BARE))
    using.restart()
    answer = using.send({"kind": "closed", "count": count})
    using.empty_queue()
    return sending.of_locust(answer)
