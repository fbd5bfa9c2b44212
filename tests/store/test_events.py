from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.endpoint import Event
from iolaus.store.events import MESSAGE_CHARS, EventLog, fit


def event(endpoint: str = "a", dedup: str | None = None, message: str = "m") -> Event:
    return Event(
        at=1.0, kind="DeviceEvent", severity="OK", endpoint=endpoint, message=message, dedup=dedup
    )


def test_a_flood_costs_the_one_who_floods() -> None:
    log = EventLog(most=10, most_each=4)
    for endpoint in "bc":
        log.add(event(endpoint))
    for _ in range(100):
        log.add(event("a"))
    assert [e.endpoint for _, e in log.newest()] == ["a"] * 4 + ["c", "b"]
    assert len(log.take_evicted()) == 96
    assert log.take_evicted() == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "1", "2", "3"]))))
def test_it_is_bounded_ordered_and_knows_what_it_saw(given_: list[tuple[str, str | None]]) -> None:
    log = EventLog(most=7, most_each=3, window=1000)
    seen: set[tuple[str, str]] = set()
    for endpoint, dedup in given_:
        fresh = dedup is None or (endpoint, dedup) not in seen
        assert (log.add(event(endpoint, dedup)) is not None) == fresh
        if dedup is not None:
            seen.add((endpoint, dedup))
    numbers = [number for number, _ in log.newest()]
    assert numbers == sorted(numbers, reverse=True)
    assert len(log) == len(numbers) <= 7
    for endpoint in "abc":
        mine = [number for number, e in log.newest() if e.endpoint == endpoint]
        assert [number for number, _ in log.newest(endpoint=endpoint)] == mine
        assert len(mine) <= 3


def test_the_window_of_dedup_keys_is_bounded() -> None:
    log = EventLog(window=2)
    assert [log.add(event(dedup=key)) for key in ("1", "2", "1", "3", "1")] == [1, 2, None, 3, 4]


@given(st.text(st.characters(), max_size=50))
def test_texts_are_made_fit(text: str) -> None:
    fitted = fit(event(message=text + "\ud800\0" + "x" * 5000)).message
    assert len(fitted) <= MESSAGE_CHARS
    assert "\0" not in fitted
    fitted.encode("utf-8")
