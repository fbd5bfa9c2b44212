"""Windows: never open outside, through every change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.fleet.window import (
    MAX_DURATION_S,
    closes_at,
    is_open,
    next_open,
    parse_duration,
    parse_window,
)
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import WindowRule
from tests.examples import examples

HOUR = 3600.0
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]


def at(text: str, zone: str = "UTC", *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


TWO = parse_window(cron="0 2 * * 2,4", duration="4h", tz="UTC")
BERLIN = parse_window(cron="30 2 * * *", duration="2h", tz="Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("4h", 14400), ("1d", 86400), ("1h30m", 5400), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@given(st.text(max_size=20))
def test_any_other_duration_is_the_operators_matter(text: str) -> None:
    try:
        assert parse_duration(text) >= 0
    except OperatorMust as error:
        assert error.code == "WindowInvalid"


def test_the_baselines_example() -> None:
    assert WindowRule(cron="0 2 * * 2,4", duration_s=4 * HOUR, tz="UTC") == TWO
    tuesday = at("2026-11-24T02:00")
    assert not is_open(TWO, tuesday - 0.001)
    assert is_open(TWO, tuesday)
    assert is_open(TWO, tuesday + 4 * HOUR - 0.001)
    assert not is_open(TWO, tuesday + 4 * HOUR)
    assert closes_at(TWO, tuesday + 1) == tuesday + 4 * HOUR
    assert closes_at(TWO, tuesday - 1) is None
    assert next_open(TWO, tuesday + 5 * HOUR) == at("2026-11-26T02:00")
    assert next_open(TWO, tuesday + HOUR + 0.5) == tuesday + HOUR + 0.5


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"cron": "0 2 * *"}, "five fields"),
        ({"cron": "* 0 2 * * 2"}, "five fields"),
        ({"cron": "0 25 * * *"}, "hour"),
        ({"cron": "0 0 30 2 *"}, "day-of-month"),
        ({"cron": "0 0 30 2 */8#5"}, "cron"),
        ({"cron": "@daily"}, "five fields"),
        ({"cron": "0 2 *\n* *"}, "five fields"),
        ({"cron": "0 2 * * " + "1," * 100 + "1"}, "five fields"),
        ({"duration": "0s"}, "makes no sense"),
        ({"duration": "32d"}, "makes no sense"),
        ({"duration": "4 hours"}, "no duration"),
        ({"tz": "Mars/Olympus"}, "no time zone"),
        ({"tz": "../../etc/passwd"}, "no time zone"),
        ({"tz": ""}, "no time zone"),
        ({"tz": "Europe"}, "no time zone"),
    ],
)
def test_what_is_no_window_is_refused_with_what_to_write(fields: dict[str, str], word: str) -> None:
    with pytest.raises(OperatorMust) as caught:
        parse_window(**{"cron": "0 2 * * *", "duration": "1h"} | fields)
    if word != "cron":
        assert word in caught.value.message
    assert caught.value.next_step


@given(st.text(alphabet="0123456789*/,-#LWMONDAYJAN ?@\n", max_size=30))
@settings(max_examples=examples(120, 300))
def test_hostile_expressions_are_refused_or_come_some_time(cron: str) -> None:
    try:
        window = parse_window(cron=cron, duration="1h")
    except OperatorMust:
        return
    opening = next_open(window, at("2024-01-01T00:00"))
    assert opening is not None
    assert is_open(window, opening)


def test_a_time_that_the_clocks_skip_is_when_they_have_jumped() -> None:
    """Berlin, 29 March 2026: 02:00 is 03:00 at once."""
    jump = at("2026-03-29T03:00", "Europe/Berlin")
    assert not is_open(BERLIN, jump - 1)
    assert is_open(BERLIN, jump)
    assert closes_at(BERLIN, jump) == jump + 2 * HOUR, "two elapsed hours"


def test_a_time_that_the_clocks_show_twice_counts_once() -> None:
    """Berlin, 25 October 2026: 02:00 to 03:00 comes twice."""
    first = at("2026-10-25T02:30", "Europe/Berlin", fold=0)
    second = at("2026-10-25T02:30", "Europe/Berlin", fold=1)
    assert second == first + HOUR
    assert is_open(BERLIN, first)
    assert closes_at(BERLIN, second) == first + 2 * HOUR
    after = next_open(BERLIN, first + 2 * HOUR)
    assert after == at("2026-10-26T02:30", "Europe/Berlin")
    short = parse_window(cron="30 2 * * *", duration="10m", tz="Europe/Berlin")
    assert not is_open(short, second)
    assert next_open(short, second - 60) == after


def test_windows_that_touch_or_overlap_are_one() -> None:
    hourly = parse_window(cron="0 1,2,3 * * *", duration="1h")
    start = at("2026-11-21T01:00")
    assert closes_at(hourly, start) == start + 3 * HOUR
    always = parse_window(cron="* * * * *", duration="31d")
    until = closes_at(always, start)
    assert until is not None
    assert until > start


crons = st.builds(
    lambda minute, hour, day, dow: f"{minute} {hour} {day} * {dow}",
    st.sampled_from(["0", "30", "*/15", "*", "5,55"]),
    st.sampled_from(["0", "1", "2", "3", "23", "*", "*/6", "1-3"]),
    st.sampled_from(["*", "1", "29", "L", "*/2"]),
    st.sampled_from(["*", "0", "7", "2,4", "MON-FRI", "SUN#1", "5L"]),
)
zones = st.sampled_from(ZONES)
changes = st.sampled_from(
    ["2026-03-08", "2026-03-22", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25",
     "2026-11-01", "2026-06-30", "2028-02-29"]
)  # fmt: skip
moments = st.builds(
    lambda day, seconds: at(f"{day}T00:00") + seconds,
    changes,
    st.floats(-36 * HOUR, 60 * HOUR) | st.integers(-72, 120).map(lambda half: half * HOUR / 2),
)
lengths = st.sampled_from(["1m", "29m", "1h", "3h", "25h", "8d"])


def matches(cron: str, wall: datetime) -> bool:
    """The obvious matcher, for numbers, lists, stars and steps, and days of the week only."""

    def said(field: str, value: int) -> bool:
        if field.startswith("*"):
            return value % int(field.removeprefix("*").removeprefix("/") or 1) == 0
        return str(value) in field.split(",")

    minute, hour, _, _, dow = cron.split()
    days = said(minute, wall.minute) and said(hour, wall.hour)
    return days and (dow == "*" or said(dow, wall.isoweekday() % 7))


def openings(window: WindowRule, since: float, until: float) -> list[float]:
    """Each minute of elapsed time looked at, one after the other: an oracle that knows no search.
    Seconds of the zones' offsets are none in the years that are asked."""
    zone = ZoneInfo(window.tz)
    star = any(field.startswith("*") for field in window.cron.split()[:2])
    found, here = [], datetime.fromtimestamp(since // 60 * 60, UTC)
    before = (here - timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None)
    while here.timestamp() <= until:
        shown = here.astimezone(zone)
        wall = shown.replace(tzinfo=None)
        skipped = int((wall - before) / timedelta(minutes=1)) - 1
        walls = [wall] if star or not shown.fold else []
        walls += [] if star else [before + timedelta(minutes=1 + i) for i in range(skipped)]
        if any(matches(window.cron, each) for each in walls) and here.timestamp() > since:
            found.append(here.timestamp())
        before, here = wall, here + timedelta(minutes=1)
    return found


@given(crons, lengths, zones, moments)
@settings(max_examples=examples(150, 400), deadline=None)
def test_open_means_that_an_opening_was_not_longer_ago_than_the_duration(
    cron: str, duration: str, zone: str, moment: float
) -> None:
    window = parse_window(cron=cron, duration=duration, tz=zone)
    close, opens = closes_at(window, moment), next_open(window, moment)
    assert is_open(window, moment) == (close is not None)
    assert opens is not None
    if close is not None:
        assert opens == moment < close
        assert moment + 1 > close or is_open(window, close - 1)
        return
    assert opens > moment
    assert is_open(window, opens)
    assert not is_open(window, opens - 1)
    assert not is_open(window, (moment + opens) / 2), "never open outside"
    wall = datetime.fromtimestamp(opens, ZoneInfo(zone))
    fixed = not cron.startswith("*") and not cron.split()[1].startswith("*")
    midnight = datetime(wall.year, wall.month, wall.day, tzinfo=wall.tzinfo)
    skipped = midnight.utcoffset() != wall.utcoffset()
    if not fixed or not skipped:
        minutes = {"0": {0}, "30": {30}, "*/15": {0, 15, 30, 45}, "*": set(range(60))}
        assert wall.minute in minutes.get(cron.split()[0], {5, 55}) or skipped


plain_crons = st.builds(
    lambda minute, hour, dow: f"{minute} {hour} * * {dow}",
    st.sampled_from(["0", "30", "*/15", "*", "5,55"]),
    st.sampled_from(["0", "1", "2", "3", "23", "*", "*/2", "1,2"]),
    st.sampled_from(["*", "0", "6,0"]),
)


@given(plain_crons, st.sampled_from(["1m", "17m", "1h", "5h"]), zones, moments)
@settings(max_examples=120, deadline=None)
def test_an_obvious_matcher_agrees(cron: str, duration: str, zone: str, moment: float) -> None:
    window = parse_window(cron=cron, duration=duration, tz=zone)
    found = openings(window, moment - window.duration_s, moment)
    assert is_open(window, moment) == bool(found)
    if not found:
        later = openings(window, moment, moment + 8 * HOUR)
        opens = next_open(window, moment)
        assert opens is not None
        assert opens == later[0] if later else opens > moment + 8 * HOUR


@given(crons, zones, moments)
@settings(max_examples=100, deadline=None)
def test_openings_come_in_order_and_close_in_order(cron: str, zone: str, moment: float) -> None:
    window = parse_window(cron=cron, duration="1m", tz=zone)
    openings, here = [], moment
    for _ in range(6):
        opening = next_open(window, here)
        assert opening is not None
        close = closes_at(window, opening)
        assert close is not None
        assert close >= opening + 60 - 1e-6 or opening == here
        openings.append(opening)
        here = close
    assert all(a < b for a, b in pairwise(openings))


def test_the_longest_window_is_still_quick_to_judge() -> None:
    window = parse_window(cron="0 0 1 1 *", duration=f"{int(MAX_DURATION_S)}s")
    assert is_open(window, at("2026-01-31T23:00"))
    assert not is_open(window, at("2026-02-02T00:00"))
