"""The exposition kept warm: a scrape is served at once, and its age is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from iolaus.kernel.clock import JumpClock
from iolaus.north.warm import AGE, EVERY_S, WATCHED_S, Warm


class Slow:
    """A rendering that takes a second and counts itself."""

    def __init__(self, clock: JumpClock) -> None:
        self.clock, self.made = clock, 0

    async def chunks(self) -> AsyncIterator[bytes]:
        self.made += 1
        number = self.made
        await self.clock.sleep(1.0)
        yield f"exposition {number}\n".encode()


async def scrape(warm: Warm) -> str:
    return b"".join([chunk async for chunk in warm.chunks()]).decode()


async def test_the_first_scrape_waits_and_the_next_is_served_from_what_is_kept() -> None:
    clock = JumpClock()
    slow = Slow(clock)
    warm = Warm(slow, clock)
    assert (await scrape(warm)).startswith("exposition 1\n")
    began = clock.monotonic()
    assert (await scrape(warm)).startswith("exposition 1\n")
    assert clock.monotonic() == began
    await clock.sleep(2 * EVERY_S)
    again = await scrape(warm)
    assert not again.startswith("exposition 1\n")
    assert 0.0 < float(again.split(f"{AGE} gauge\n{AGE} ")[1]) <= EVERY_S + 2
    await warm.close()


async def test_many_scrapes_at_once_are_one_rendering() -> None:
    clock = JumpClock()
    slow = Slow(clock)
    warm = Warm(slow, clock)
    found = await asyncio.gather(*(scrape(warm) for _ in range(5)))
    assert slow.made == 1
    assert len(set(found)) == 1
    await warm.close()


async def test_nothing_is_rendered_while_nobody_scrapes() -> None:
    clock = JumpClock()
    slow = Slow(clock)
    warm = Warm(slow, clock)
    await scrape(warm)
    await clock.sleep(2 * WATCHED_S)
    made = slow.made
    await clock.sleep(10 * WATCHED_S)
    assert slow.made == made
    late = await scrape(warm)
    assert late.startswith(f"exposition {made + 1}\n")
    await warm.close()


async def test_a_small_hall_is_rendered_at_each_scrape() -> None:
    class Quick(Slow):
        async def chunks(self) -> AsyncIterator[bytes]:
            self.made += 1
            yield f"exposition {self.made}\n".encode()

    clock = JumpClock()
    warm = Warm(Quick(clock), clock)
    found = [(await scrape(warm)).splitlines()[0] for _ in range(3)]
    assert found == ["exposition 1", "exposition 2", "exposition 3"]
    await warm.close()
