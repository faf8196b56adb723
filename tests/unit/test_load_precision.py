"""Locust's statistics, as the rig prints them, tell fractions of a millisecond."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def locust() -> Iterator[Any]:
    """Locust's statistics module with the rig's precision, put back afterwards. Nothing may patch pytest's sockets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
        from locust import stats

        from rig.load.schedule import precision

        for name in ("bucket_response_time", "proper_round"):
            patch.setattr(stats, name, getattr(stats, name))
        for owner, name in (
            (stats.StatsEntry, "to_string"), (stats.StatsEntry, "percentile"), (stats.StatsCSV, "_percentile_fields"),
        ):  # fmt: skip
            patch.setattr(owner, name, getattr(owner, name))
        precision.install()
        yield stats


def filled(locust: Any, *milliseconds: float) -> Any:
    statistics = locust.RequestStats()
    for time in milliseconds:
        statistics.log_request("send", "app.noop on short", time, 0)
    return statistics


def columns(lines: list[str], name: str = "app.noop") -> list[str]:
    (line,) = [line for line in lines if name in line]
    return line.replace("|", " ").split()


def test_four_tenths_of_a_millisecond_are_neither_0_nor_1_anywhere(locust: Any) -> None:
    statistics = filled(locust, *[0.4] * 50)
    # send app.noop on short, requests, failures, average, minimum, maximum, median
    assert columns(locust.get_stats_summary(statistics, current=False))[4:10] == ["50", "0(0.00%)", *["0.4"] * 4]
    percentiles = columns(locust.get_percentile_stats_summary(statistics))[4:]
    assert percentiles == [*["0.4"] * len(locust.PERCENTILES_TO_REPORT), "50"]
    for_the_web_ui = statistics.total.to_dict()
    assert [value for name, value in for_the_web_ui.items() if "response_time" in name] == pytest.approx([0.4] * 6)


def test_csv_has_fractions_too(locust: Any) -> None:
    class Environment:
        stats = filled(locust, 0.4123, 0.4123, 12.34)

    text = io.StringIO()
    locust.StatsCSV(Environment, [0.5, 1.0]).requests_csv(csv.writer(text))
    row = next(row for row in csv.DictReader(io.StringIO(text.getvalue())) if row["Name"] == "app.noop on short")
    assert (row["50%"], row["100%"]) == ("0.412", "12.3")


def test_the_table_keeps_its_columns(locust: Any) -> None:
    statistics = filled(locust, 0.0004, 0.5, 3.21, 45.678, 999.94, 23456.78, 99999)
    statistics.log_error("send", "app.noop on short", "ConnectionResetError: it is gone")
    header, rule, line, *_ = locust.get_stats_summary(statistics, current=False)
    for text, width in ((header, len(rule)), (line, len(rule))):
        bars = [place for place, letter in enumerate(text[:width]) if letter == "|"]
        assert bars == [header.index("|"), header.rindex("|")]
    assert "1(14.29%)" in line
    _, header, rule, line, *_ = locust.get_percentile_stats_summary(statistics)
    assert len(line) == len(header)


def test_statistics_of_two_processes_add_up(locust: Any) -> None:
    """As a master adds what its workers report, over a format that knows numbers and text."""
    whole, part = filled(locust, 0.4, 0.6), filled(locust, 0.8)
    (report,) = part.serialize_stats()
    whole.total.extend(locust.StatsEntry.unserialize(report, whole))
    assert whole.total.get_response_time_percentile(1.0) == 0.8
    assert whole.total.avg_response_time == pytest.approx(0.6)


@given(milliseconds=st.floats(0.001, 1e6))
def test_filing_is_off_by_half_a_percent_or_half_a_microsecond_at_most(locust: Any, milliseconds: float) -> None:
    filed = locust.bucket_response_time(milliseconds)
    assert abs(filed - milliseconds) <= max(0.005 * milliseconds, 0.0005) * 1.000001


@given(milliseconds=st.floats(0, 1e5), width=st.integers(5, 9))
def test_short_text_fits_and_is_true_to_what_it_shows(locust: Any, milliseconds: float, width: int) -> None:
    from rig.load.schedule.precision import short

    text = short(milliseconds, width)
    assert len(text) <= max(width, len(f"{milliseconds:.0f}"))
    shown = len(text.partition(".")[2])
    assert float(text) == pytest.approx(milliseconds, abs=0.5001 * 10 ** -min(shown, 3) if shown else 0.5001)
    assert locust is not None
