"""A real `iolaus serve`, ended by SIGKILL as the kernel ends it, and started on the same state."""

from __future__ import annotations

import asyncio
import signal
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from iolaus.sim.device import Device
from iolaus.sim.server import Hall
from iolaus.store.state import open_state
from tests.forked import Forked, iolaus
from tests.survival.stage import PATIENCE_S, free_socket, machine, target_of


def early(port: int) -> str:
    """A host whose first poll comes at once: polls are spread over their period by address."""
    hosts = (f"127.32.{a}.{b}" for a in range(256) for b in range(1, 255))
    return next(
        host for host in hosts if zlib.crc32(f"https://{host}:{port}".encode()) % 10_000 < 100
    )


async def killed_and_started_again(folder: Path) -> Device:
    """The device that two lives of a server have read, the first of them killed."""
    with free_socket() as door:
        port = door.getsockname()[1]
    device = machine()
    device.host = early(port)
    hall = Hall([device], port=port)
    await hall.start()
    try:
        await remember(folder / "state", device)
        with serving(folder / "state") as child:
            await until(lambda: reads_of(device) > 60, "it is read")
            (left,) = device.gate.sessions()
            child.send_signal(signal.SIGKILL)
            await ended(child)
        assert [session.path for session in device.gate.sessions()] == [left.path]
        read = reads_of(device)
        with serving(folder / "state") as child:
            await until(lambda: reads_of(device) > read + 60, "it is read again")
            (ours,) = device.gate.sessions()
            assert ours.path != left.path
            child.send_signal(signal.SIGTERM)
            assert await ended(child) == 0
    finally:
        await hall.stop()
    return device


def reads_of(device: Device) -> int:
    return device.counters.by_method.get("GET", 0)


async def remember(state_dir: Path, device: Device) -> None:
    state = open_state(state_dir)
    await state.start()
    state.secrets.put("hall", user="root", password="iolaus-sim")
    state.facts.put_target(target_of(device))
    await state.close()


@contextmanager
def serving(state_dir: Path) -> Iterator[Forked]:
    with free_socket() as door:
        listen = f"127.0.0.1:{door.getsockname()[1]}"
    child = Forked(iolaus, "serve", "--listen", listen, "--state", str(state_dir))
    try:
        yield child
    finally:
        child.close()


async def ended(child: Forked) -> int:
    """How."""
    await until(lambda: child.poll() is not None, "it ended")
    code = child.poll()
    assert code is not None
    return code


async def until(true: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.05)
    assert true(), what
