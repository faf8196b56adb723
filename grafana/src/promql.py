"""Selectors and expressions that panels share. Every selector filters by the dashboard's variables."""

from __future__ import annotations

from kit import SCRAPED

TASKS = f'{SCRAPED}, queue_name=~"$queue", name=~"$task"'
QUEUES = f'{SCRAPED}, queue_name=~"$queue"'
BROKER = f'{SCRAPED}, part="broker"'
RESULTS = f'{SCRAPED}, part="results"'


def rate(metric: str, by: str = "", selector: str = TASKS) -> str:
    """Return the summed rate of a counter."""
    return f"sum{_by(by)}(rate({metric}{{{selector}}}[$__rate_interval]))"


def increase(metric: str, by: str = "", selector: str = TASKS) -> str:
    """Return what was added to a counter within one interval."""
    return f"sum{_by(by)}(increase({metric}{{{selector}}}[$__rate_interval]))"


def quantile(q: float, metric: str, by: str = "", selector: str = TASKS) -> str:
    """Return a quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {rate(f'{metric}_bucket', labels, selector)})"


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else " "


def events(*names: str) -> str:
    """Return the summed rate of several task events, those that never happened counting as 0."""
    return " + ".join(f"({rate(f'celery_task_{name}_total')} or vector(0))" for name in names)
