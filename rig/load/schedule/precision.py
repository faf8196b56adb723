"""Teaches Locust's statistics to tell 0.4 ms from 0 and from 1.

Locust counts response times in milliseconds and rounds them in three places: when it files them for percentiles
(https://github.com/locustio/locust/issues/2005; replaceable since https://github.com/locustio/locust/pull/3373), when
it prints them with %d, and when it writes percentiles to CSV with int(). A publish takes a fraction of a millisecond,
so all three are replaced here, and nothing else: the unit stays the millisecond, the columns keep their width.
"""

from __future__ import annotations

from math import floor, log10
from typing import Any

from locust import stats

DIGITS = 3  # significant digits of a filed response time: off by half a percent at most, 900 keys a decade


def file_under(milliseconds: float) -> float:
    """Return the value a response time is filed under: three significant digits, never finer than a microsecond."""
    if milliseconds < 1:
        return round(milliseconds, DIGITS)
    return round(milliseconds, DIGITS - 1 - floor(log10(milliseconds)))


def short(milliseconds: float, width: int) -> str:
    """Return the time as text of at most `width` characters (5 or more), with as many of three decimals as fit."""
    for decimals in (3, 2, 1):
        text = f"{milliseconds:.{decimals}f}"
        if len(text) <= width:
            return text.rstrip("0").rstrip(".")
    return f"{milliseconds:.0f}"


def _round(value: float, digits: int = DIGITS) -> float:
    """Round for the web UI and the HTML report, where Locust would round minimum and maximum to whole milliseconds."""
    return round(float(value), max(digits, DIGITS))


def _line(entry: Any, current: bool = True) -> str:
    """Return the line of the statistics table, in the layout of locust.stats.get_stats_summary."""
    rate, failure_rate = (
        (entry.current_rps, entry.current_fail_per_sec) if current else (entry.total_rps, entry.total_fail_per_sec)
    )
    average, least, most = (
        short(value or 0, 7) for value in (entry.avg_response_time, entry.min_response_time, entry.max_response_time)
    )
    median = short(entry.median_response_time or 0, 6)  # no space before this column
    name_width = stats.STATS_NAME_WIDTH - stats.STATS_TYPE_WIDTH + 4
    failures = f"{entry.num_failures}({entry.fail_ratio:.2%})"
    return (
        f"{entry.method or '':<{stats.STATS_TYPE_WIDTH}} {entry.name:<{name_width}} {entry.num_requests:>7}"
        f" {failures:>12} |{average:>7} {least:>7} {most:>7}{median:>7} | {rate or 0:>7.2f} {failure_rate or 0:>11.2f}"
    )


def _percentiles_line(entry: Any) -> str:
    """Return the line of the percentile table, in the layout of locust.stats.get_percentile_stats_summary."""
    if not entry.num_requests:
        raise ValueError("there is no percentile of nothing")
    values = (short(entry.get_response_time_percentile(share), 6) for share in stats.PERCENTILES_TO_REPORT)
    columns = " ".join(f"{value:>6}" for value in values)
    head = f"{entry.method or '':<{stats.STATS_TYPE_WIDTH}} {entry.name:<{stats.STATS_NAME_WIDTH}}"
    # Locust hands its number of requests to the last of the columns, and the first percentile to the %8d.
    first, rest = columns[:6], columns[7:]
    return f"{head} {first:>8} {rest} {entry.num_requests:>6}"


def _csv_percentiles(writer: Any, entry: Any, use_current: bool = False) -> list[Any]:
    if not entry.num_requests:
        return list(writer.percentiles_na)
    current = use_current and entry.use_response_times_cache
    of = entry.get_current_response_time_percentile if current else entry.get_response_time_percentile
    return [of(share) or 0 for share in writer.percentiles_to_report]


def install() -> None:
    """Replace Locust's rounding in this process. Again is harmless."""
    stats.bucket_response_time = file_under
    stats.proper_round = _round
    stats.StatsEntry.to_string = _line
    stats.StatsEntry.percentile = _percentiles_line
    stats.StatsCSV._percentile_fields = _csv_percentiles
