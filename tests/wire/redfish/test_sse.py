"""The SSE parser: the standard's examples, every way to cut the bytes, bounds, and resuming."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.clock import WallClock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.wire.redfish.client import Redfish
from iolaus.wire.redfish.port import Trust
from iolaus.wire.redfish.sse import Event, Parser
from iolaus.wire.redfish.transport import open_transport
from tests.wire.redfish.raw_server import RawServer, Talk


def parsed(raw: bytes) -> list[Event]:
    return Parser().feed(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"data: a\n\n", [Event(data="a")]),
        (b"data: a\r\rdata: b\r\n\r\n", [Event(data="a"), Event(data="b")]),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [Event(data="YHOO\n+2\n10")]),
        (
            b": comment\n\ndata:x\nid: 1\n\ndata\n\n",
            [Event(data="x", id="1"), Event(data="", id="1")],
        ),
        (b"event: alert\ndata: x\n\n", [Event(data="x", event="alert")]),
        (b"data: test\n\ndata:  test\n\n", [Event(data="test"), Event(data=" test")]),
        (b"\xef\xbb\xbfdata: x\n\n", [Event(data="x")]),
        (b"data: cut", []),
        (b"data: \xff\n\n", [Event(data="\ufffd")]),
        (b"id: a\x00b\ndata: x\n\n", [Event(data="x")]),
    ],
)
def test_the_standard_and_its_edges(raw: bytes, expected: list[Event]) -> None:
    assert parsed(raw) == expected


_LINES = st.sampled_from(
    [b"data: x", b"data:y", b"", b"", b"id: 7", b"event: e", b": c", b"retry: 10", b"\xc3\xa9: z"]
)
_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])


@given(st.lists(st.tuples(_LINES, _ENDS)), st.lists(st.integers(0, 200), max_size=10))
def test_where_the_bytes_are_cut_changes_nothing(
    lines: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    raw = b"".join(line + end for line, end in lines)
    parser, events = Parser(), []
    places = sorted({0, *(min(cut, len(raw)) for cut in cuts), len(raw)})
    for start, end in itertools.pairwise(places):
        events += parser.feed(raw[start:end])
    assert events == parsed(raw)


@given(st.binary(max_size=500))
def test_any_bytes_are_taken(raw: bytes) -> None:
    parser = Parser(max_line=64, max_event=128)
    for event in parser.feed(raw) + parser.feed(b"\n\ndata: end\n\n")[-1:]:
        assert len(event.data) <= 128
    assert parser.feed(b"data: after\n\n")[-1].data == "after"


def test_a_line_or_event_over_its_bound_is_dropped_whole() -> None:
    parser = Parser(max_line=100, max_event=300)
    assert parser.feed(b"data: " + b"x" * 1_000) == []
    assert parser.feed(b"y\ndata: tail\n\n") == []
    assert parser.feed(b"data: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" * 10 + b"\n") == []
    assert parser.dropped == 2
    assert parser.feed(b"data: fine\n\n") == [Event(data="fine")]


def test_it_remembers_id_and_retry() -> None:
    parser = Parser(last_event_id="0")
    parser.feed(b"retry: 2500\nretry: soon\nid: 41\nid: \xff\ndata: x\n\n")
    assert (parser.last_event_id, parser.retry_s) == ("41", 2.5)
    parser.feed(b"retry: 99999999999\nid\n\n")
    assert (parser.last_event_id, parser.retry_s) == ("", 300.0)


# --- over the wire ----------------------------------------------------------------------------

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


async def _collected(server: RawServer, parser: Parser, timeout_s: float = 5) -> list[str]:
    async with open_transport(Trust(insecure_http=True)) as transport:
        redfish = Redfish(server.url, transport, None, WallClock())
        stream = redfish.stream("/redfish/v1/SSE", parser=parser, timeout_s=timeout_s)
        return [event.data async for event in stream]


async def test_a_stream_resumes_where_it_broke() -> None:
    async def script(talk: Talk) -> None:
        asked = await talk.asked()
        since = int(asked.headers.get("last-event-id", "0"))
        for number in range(since + 1, since + 3):
            await talk.say(_HEAD if number == since + 1 else b"")
            await talk.say(b"id: %d\ndata: event %d\n\n" % (number, number))
        await talk.say(b"data: half")

    parser = Parser()
    async with RawServer(script) as server:
        assert await _collected(server, parser) == ["event 1", "event 2"]
        assert await _collected(server, parser) == ["event 3", "event 4"]


async def test_a_silent_stream_ends_in_silence() -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.say(_HEAD + b"data: 1\n\n")
        await talk.hang()

    async with RawServer(script) as server:
        with pytest.raises(DeviceSilent, match="silent for"):
            await _collected(server, Parser(), timeout_s=0.3)


async def test_what_is_not_a_stream_is_a_lie() -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.answer(b"{}", head="Content-Type: application/json\r\n")

    async with RawServer(script) as server:
        with pytest.raises(DeviceLied, match="event stream"):
            await _collected(server, Parser())


async def test_a_refused_stream_is_a_refusal() -> None:
    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.answer(b"{}", status="501 Not Implemented")

    async with RawServer(script) as server:
        with pytest.raises(DeviceRefused) as caught:
            await _collected(server, Parser())
    assert caught.value.code == "NotSupported"


async def test_a_fast_device_waits_for_a_slow_reader() -> None:
    """20 MB of events pass through without being held: the buffer stays bounded."""
    event = b"data: " + b"x" * 10_000 + b"\n\n"

    async def script(talk: Talk) -> None:
        await talk.asked()
        await talk.say(_HEAD)
        for _ in range(200):
            await talk.say(event * 10)

    async with RawServer(script) as server, open_transport(Trust(insecure_http=True)) as transport:
        redfish = Redfish(server.url, transport, None, WallClock())
        count = 0
        async for each in redfish.stream("/redfish/v1/SSE"):
            count += len(each.data) == 10_000
            if count % 500 == 0:
                await asyncio.sleep(0.01)
    assert count == 2_000
