"""A process to be killed: `python -m tests.app.testator`. It begins an heir, hands it the will that
it reads from its own standard input, and beats until it dies."""

from __future__ import annotations

import asyncio
import sys

from iolaus.app.bequeathing import BEAT, BEAT_S, begin_heir


async def live(will: bytes) -> None:
    heir = await begin_heir()
    assert heir.stdin is not None
    heir.stdin.write(will)
    sys.stdout.write(f"{heir.pid}\n")
    sys.stdout.flush()
    while True:
        heir.stdin.write(BEAT)
        await heir.stdin.drain()
        await asyncio.sleep(BEAT_S)


if __name__ == "__main__":
    asyncio.run(live(sys.stdin.buffer.readline()))
