"""One suite for every trunk: what is asserted in memory holds over NATS, too."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TypeVar

import pytest

from iolaus.bus.port import BusAway, Entry, Trunk, Unheard
from tests.bus.grounds import Ground

T = TypeVar("T")
SOON_S = 90.0


def name() -> str:
    """The servers are shared by the tests."""
    return uuid.uuid4().hex[:12]


async def some(entries: AsyncIterator[T], count: int) -> list[T]:
    async with asyncio.timeout(SOON_S):
        return [await anext(entries) for _ in range(count)]


READY = b"?"


async def until_heard(ground: Ground, one: Trunk, topic: str, heard: AsyncIterator[bytes]) -> None:
    """A message is heard at most once, and not by a server that is slow to know of a listener."""
    first = asyncio.ensure_future(anext(heard))
    async with asyncio.timeout(SOON_S):
        while not first.done():
            one.publish(topic, READY)
            await ground.wait(0.1)
        assert await first == READY


async def until_last(heard: AsyncIterator[bytes], last: bytes) -> AsyncIterator[bytes]:
    """With it, and without what was said before everybody was ready."""
    async for each in heard:
        if each != READY:
            yield each
        if each == last:
            return


# --- messages -----------------------------------------------------------------------------------


async def test_messages_come_in_order_to_who_listens_below_a_topic(ground: Ground) -> None:
    one, other, topic = await ground.trunk(), await ground.trunk(), name()
    async with other.subscribe(f"{topic}.a", f"{topic}.b.*") as heard:
        await until_heard(ground, one, f"{topic}.a", heard)
        for tail in ("c", "a", "ab", "a.x", "b.y z", "b"):
            one.publish(f"{topic}.{tail}", tail.encode())
        async with asyncio.timeout(SOON_S):
            found = [each async for each in until_last(heard, b"b")]
        assert found == [b"a", b"a.x", b"b.y z", b"b"]


async def test_everything_is_heard_by_who_names_nothing(ground: Ground) -> None:
    trunk, topic = await ground.trunk(), name()
    async with trunk.subscribe() as heard:
        trunk.publish(topic, b"1")
        trunk.publish(f"{topic}.2", b"2")
        assert await some(heard, 2) == [b"1", b"2"]


# --- questions ----------------------------------------------------------------------------------


async def echo(body: bytes) -> bytes:
    return b"!" + body


async def test_a_question_is_answered_by_the_one_who_answers_there(ground: Ground) -> None:
    asker, owner, topic = await ground.trunk(), await ground.trunk(), name()
    async with owner.answer(f"{topic}.rack 7", echo):
        asked = (asker.ask(f"{topic}.rack 7", b"%d" % n, timeout_s=60.0) for n in range(20))
        assert await asyncio.gather(*asked) == [b"!%d" % n for n in range(20)]
    with pytest.raises(Unheard):
        await ask_until_known(asker, f"{topic}.rack 7")


async def ask_until_known(asker: Trunk, topic: str) -> None:
    """Servers need a moment to tell each other that nobody listens any more."""
    while True:
        with suppress(BusAway):
            await asker.ask(topic, b"", timeout_s=1.0)


async def test_whoever_answers_is_found_at_once(ground: Ground) -> None:
    asker, owner = await ground.trunk(), await ground.trunk()
    for _ in range(100):
        async with owner.answer(topic := name(), echo):
            assert await asker.ask(topic, b"1", timeout_s=60.0) == b"!1"


async def test_a_slow_answer_is_no_answer_and_holds_up_no_other(ground: Ground) -> None:
    asker, owner, topic = await ground.trunk(), await ground.trunk(), name()

    async def slow(body: bytes) -> bytes:
        if body == b"slow":
            await ground.wait(30.0)
        return body

    async with owner.answer(topic, slow):
        with pytest.raises(BusAway):
            await asker.ask(topic, b"slow", timeout_s=0.2)
        assert await asker.ask(topic, b"quick", timeout_s=60.0) == b"quick"


# --- the log ------------------------------------------------------------------------------------


async def test_a_log_is_read_in_its_order_from_anywhere(ground: Ground) -> None:
    writer, reader, log = await ground.trunk(), await ground.trunk(), name()
    numbers = [
        await writer.log(log).append(f"edge.{n % 3}", b"%d" % n, id_=f"e:{n}") for n in range(300)
    ]
    assert numbers == sorted(set(numbers))
    read = reader.log(log).read(after=numbers[9])
    found = await some(read, 290)
    assert [entry.number for entry in found] == numbers[10:]
    assert found[0] == Entry(number=numbers[10], key="edge.1", body=b"10")
    later = asyncio.create_task(some(read, 1))
    await writer.log(log).append("edge.0", b"new", id_="e:new")
    assert [entry.body for entry in await later] == [b"new"]
    assert await reader.log(log).last() == numbers[-1] + 1


async def test_what_is_appended_twice_is_kept_once(ground: Ground) -> None:
    trunk, log = await ground.trunk(), name()
    first = await trunk.log(log).append("a", b"1", id_="a:1")
    assert await trunk.log(log).append("a", b"1", id_="a:1") == first
    second = await trunk.log(log).append("a", b"2", id_="a:2")
    found = await some(trunk.log(log).read(after=0), 2)
    assert [entry.number for entry in found] == [first, second]


async def test_a_log_that_was_never_written_is_empty(ground: Ground) -> None:
    assert await (await ground.trunk()).log(name()).last() == 0


# --- tables -------------------------------------------------------------------------------------


async def test_a_row_is_put_only_over_the_revision_that_was_read(ground: Ground) -> None:
    one, other, table = await ground.trunk(), await ground.trunk(), name()
    first = await one.table(table).put("a.b", b"1", revision=0)
    assert first
    assert await other.table(table).put("a.b", b"2", revision=0) is None
    second = await other.table(table).put("a.b", b"2", revision=first)
    assert second
    assert second > first
    assert await one.table(table).put("a.b", b"3", revision=first) is None
    assert await one.table(table).get("a.b") == Entry(number=second, key="a.b", body=b"2")
    assert await one.table(table).put("a.b", b"4")
    assert await one.table(table).get("a.c") is None


async def test_rows_that_were_emptied_are_gone(ground: Ground) -> None:
    trunk, table = await ground.trunk(), name()
    rows = trunk.table(table)
    for key in ("a.1", "a.2", "b. ä"):
        await rows.put(key, key.encode())
    await rows.put("a.1", b"")
    assert {k: e.body for k, e in (await rows.rows()).items()} == {
        "a.2": b"a.2",
        "b. ä": "b. ä".encode(),
    }
    assert list(await rows.rows("b.")) == ["b. ä"]


async def test_a_watch_tells_what_is_there_and_then_what_changes(ground: Ground) -> None:
    one, other, table = await ground.trunk(), await ground.trunk(), name()
    await one.table(table).put("a.1", b"old")
    await one.table(table).put("a.1", b"1")
    await one.table(table).put("b.1", b"elsewhere")
    watched = other.table(table).watch("a.")
    found = await some(watched, 2)
    assert [entry and entry.body for entry in found] == [b"1", None]
    changing = asyncio.create_task(some(watched, 2))
    await asyncio.sleep(0)
    await one.table(table).put("a.2", b"2")
    while not changing.done():
        await one.table(table).put("a.1", b"")
        await asyncio.sleep(0.01)
    assert [entry and (entry.key, entry.body) for entry in changing.result()] == [
        ("a.2", b"2"),
        ("a.1", b""),
    ]


# --- work ---------------------------------------------------------------------------------------


async def test_work_is_given_to_one_until_it_is_done(ground: Ground) -> None:
    one, other, queue = await ground.trunk(), await ground.trunk(), name()
    for n in range(4):
        await one.queue(queue, patience_s=600.0).put(b"%d" % n, id_=f"{n}")
        await one.queue(queue, patience_s=600.0).put(b"%d" % n, id_=f"{n}")
    mine, theirs = one.queue(queue, patience_s=600.0), other.queue(queue, patience_s=600.0)
    taken = [await queue.take(wait_s=SOON_S) for queue in (mine, theirs, mine, theirs)]
    assert [work and work.body for work in taken] == [b"0", b"1", b"2", b"3"]
    assert await mine.take(wait_s=0.1) is None
    *most, last = [work for work in taken if work]
    for work in most:
        await work.done()
    await last.again()
    again = await theirs.take(wait_s=SOON_S)
    assert again
    assert (again.body, again.tries) == (b"3", 2)
    await again.done()
    assert await mine.take(wait_s=0.1) is None


async def test_work_that_is_neither_done_nor_given_back_is_given_again(ground: Ground) -> None:
    one, other, queue = await ground.trunk(), await ground.trunk(), name()
    mine, theirs = one.queue(queue, patience_s=1.0), other.queue(queue, patience_s=1.0)
    await mine.put(b"0", id_="0")
    first = await mine.take(wait_s=SOON_S)
    assert first
    tries = first.tries
    await ground.wait(1.3)
    again = await theirs.take(wait_s=SOON_S)
    assert again
    assert (again.body, again.tries > tries) == (b"0", True)
    await again.done()
    await ground.wait(1.3)
    assert await mine.take(wait_s=0.1) is None


async def test_nobody_waits_for_others(ground: Ground) -> None:
    """Many writers of one log, one reader: each writer's order is kept, nothing is missing."""
    log = name()
    trunks: list[Trunk] = [await ground.trunk() for _ in range(3)]

    async def write(number: int, trunk: Trunk) -> None:
        for n in range(40):
            await trunk.log(log).append(f"w{number}", b"%d" % n, id_=f"{number}:{n}")

    await asyncio.gather(*(write(n, trunk) for n, trunk in enumerate(trunks)))
    found = await some(trunks[0].log(log).read(after=0), 120)
    for number in range(3):
        assert [int(e.body) for e in found if e.key == f"w{number}"] == list(range(40))
