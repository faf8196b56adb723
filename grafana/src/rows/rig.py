"""The rig itself: whether these numbers can be believed."""

from __future__ import annotations

from kit import SCRAPED, Panel, Query, Row
from promql import rate

rig = Row(
    title="The rig itself",
    panels=(
        Panel(
            title="Exporter: CPU", unit="percentunit", bad_above=0.5, width=6, height=6,
            description="Of one core. It should take some microseconds a task; near 100 % the numbers come late.",
            queries=(
                Query(expr=rate("rig_exporter_process_cpu_seconds_total", selector=SCRAPED), legend="process"),
                Query(expr=rate("rig_exporter_poll_cpu_seconds_total", selector=SCRAPED), legend="following"),
            ),
        ),
        Panel(
            title="Ledger: segments followed", unit="short", width=6, height=6,
            description="About one a process, and one or two `closed` with unfinished tasks. Growing: something keeps "
            "tasks open, or files cannot be removed.",
            queries=(
                Query(expr=f"sum by (role, state) (rig_ledger_segments{{{SCRAPED}}})", legend="{{role}} {{state}}"),
            ),
        ),
        Panel(
            title="Ledger: slots read, tasks forgotten", unit="ops", width=6, height=6,
            description="`forgotten` above 0: more tasks are under way than the exporter remembers, so waits of some "
            "are missing from the histograms. Counters stay exact.",
            queries=(
                Query(expr=rate("rig_ledger_slots_total", "type", SCRAPED), legend="{{type}}"),
                Query(expr=rate("rig_exporter_joins_dropped_total", selector=SCRAPED), legend="forgotten"),
            ),
        ),
        Panel(
            title="Scrape durations", unit="s", bad_above=4, width=6, height=6,
            description="At 4 s a scrape is given up and its target counts as down.",
            queries=(
                Query(expr=f"max by (job) (scrape_duration_seconds{{{SCRAPED}}})", legend="{{job}}"),
            ),
        ),
    ),
)  # fmt: skip
