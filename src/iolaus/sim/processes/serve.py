"""A hall of many devices on many CPUs: its devices shared out over processes that serve them.

Only a hall whose machines live each by itself can be: a stepped plant, the building side and
virtual time are one world. To its clients nothing differs: one ready line, one hosts file, one
authority, one port, one oracle (`oracle.py`). The first part finds a port that is free on its
addresses, the others take the same; where one cannot, all begin again at another. A part that ends
by itself ends the hall, and all parts end with this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.kernel.tasks import end
from iolaus.sim.catalogue.script import load_script
from iolaus.sim.command import (
    Ready,
    ServeOptions,
    either,
    follow_parent,
    playing,
    read_password,
    stop_on_signals,
    write_hosts,
)
from iolaus.sim.hall import spots_of
from iolaus.sim.hall_command import HallOptions, site_of
from iolaus.sim.hall_shares import share_out
from iolaus.sim.processes import said
from iolaus.sim.processes.oracle import JoinedOracle, PartOracle
from iolaus.sim.rules import load_rules
from iolaus.sim.server import FILES_EACH, SPARE_FILES, TAKEN, files_for, most_files
from iolaus.sim.tls import Authority

TRIES: Final = 5
LONGEST: Final = 1 << 28
"""Bytes of a part's answer: its hosts."""
ENDING_S: Final = 20.0


def serve_apart(
    file: Path | None, *, options: HallOptions, serve: ServeOptions, ready: Ready
) -> int:
    """Serve the hall until told to stop; the exit code. Raises OperatorMust for what cannot be
    shared out, and WeErred when it cannot go on."""
    _one_world(options)
    names, orders = orders_of(file, options, serve)
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_run(names, orders, serve, ready))
    return 0


def orders_of(
    file: Path | None, options: HallOptions, serve: ServeOptions
) -> tuple[Sequence[str], Sequence[said.Order]]:
    """The devices' names in their order, and what each part is told. Raises OperatorMust."""
    spots = spots_of(site_of(file, options), options.nodes)
    if options.password_file is not None:
        read_password(options.password_file)
    if serve.faults is not None:
        load_rules(serve.faults)
    shares = share_out(spots, options.processes or _enough(len(spots)))
    _suffice(max(map(len, shares)), len(spots))
    authority = Authority(serve.tls_dir) if serve.tls else None
    orders = [
        said.Order(
            file=str(file) if file else None,
            nodes=options.nodes,
            user=options.user,
            password_file=str(options.password_file) if options.password_file else None,
            only=tuple(share),
            console=options.console,
            authority=authority.kept.decode() if authority else "",
            tls_dir=str(serve.tls_dir) if serve.tls_dir and serve.tls else None,
            faults=str(serve.faults) if serve.faults else None,
        )
        for share in shares
    ]
    return [spot.name for spot in spots], orders


def _one_world(options: HallOptions) -> None:
    """Refuse what all devices have to do with together."""
    together = {
        "--physics": options.physics,
        "--building": options.building,
        "--virtual": options.virtual,
        "--speed": options.speed is not None,
    }
    for word, is_asked in together.items():
        if is_asked:
            instead = "--no-physics" if word == "--physics" else f"no {word}"
            raise _refused(
                f"{word} needs all devices in one process", "OneWorld",
                f"give {instead}, or --processes 1.",
            )  # fmt: skip


def _enough(devices: int) -> int:
    """As many processes as there are CPUs here, and as open files need."""
    return max(len(os.sched_getaffinity(0)), _needed(devices))


def _needed(devices: int) -> int:
    """For open files; with a twentieth more each, as shares are not of quite one size."""
    each = max(1, (most_files() - SPARE_FILES) // FILES_EACH * 19 // 20)
    return -(-devices // each)


def _suffice(share: int, devices: int) -> None:
    """Every process may have the files that it needs."""
    if files_for(share) > most_files():
        raise _refused(
            f"{share} devices in one process need {files_for(share)} open files, and a process may "
            f"have {most_files()}",
            "TooFewFiles",
            f"give --processes {_needed(devices)} or more, or allow more files (ulimit -Hn).",
        )


async def _run(
    names: Sequence[str], orders: Sequence[said.Order], serve: ServeOptions, ready: Ready
) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    script = load_script(serve.script) if serve.script is not None else None
    watching = asyncio.create_task(follow_parent(stop)) if serve.with_parent else None
    try:
        async with AsyncExitStack() as stack:
            starting = asyncio.create_task(stack.enter_async_context(_begun(orders, serve.port)))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not starting.done():
                await end(starting)
                return
            parts = starting.result()
            oracle = JoinedOracle(
                [PartOracle(part.url, part.token, _names(part)) for part in parts.ready], names
            )
            await stack.enter_async_context(oracle)
            ready(_line(parts.ready, names, oracle, serve))
            if script is not None:
                stack.enter_context(playing(script, oracle))
            await either(stop, parts.broken)
            if parts.broken.is_set() and not stop.is_set():
                raise _gone()
    finally:
        if watching is not None:
            await end(watching)


def _names(part: said.Ready) -> list[str]:
    return [host["name"] for host in part.hosts]


def _line(
    parts: Sequence[said.Ready], names: Sequence[str], oracle: JoinedOracle, serve: ServeOptions
) -> dict[str, Any]:
    known = {host["name"]: host for part in parts for host in part.hosts}
    hosts = [known[name] for name in names]
    if serve.hosts_out is not None:
        content = {"apiVersion": "iolaus.dev/v1", "kind": "Hosts", "hosts": hosts}
        write_hosts(serve.hosts_out, content)
    line: dict[str, Any] = {
        "ready": True,
        "devices": len(hosts),
        "processes": len(parts),
        "hosts": str(serve.hosts_out) if serve.hosts_out else None,
        "port": parts[0].ports.port,
        "first": hosts[0]["address"],
        "pid": os.getpid(),
        "oracle": {"url": oracle.url, "token": oracle.token},
    }
    consoles = sum(part.consoles for part in parts)
    if consoles:
        line["console"] = {"port": parts[0].ports.console, "consoles": consoles}
    return line


class _Parts:
    """Processes that serve; `broken` when one has ended."""

    def __init__(self, processes: Sequence[Process], ready: Sequence[said.Ready]) -> None:
        self.ready, self.broken = ready, asyncio.Event()
        self._watching = [asyncio.create_task(self._watch(each)) for each in processes]

    async def _watch(self, process: Process) -> None:
        await process.wait()
        self.broken.set()

    async def unwatch(self) -> None:
        await end(*self._watching)


@asynccontextmanager
async def _begun(orders: Sequence[said.Order], port: int) -> AsyncIterator[_Parts]:
    """All parts, at one port, until the block ends."""
    async with AsyncExitStack() as stack:
        for left in reversed(range(TRIES)):
            processes = [await stack.enter_async_context(_process(order)) for order in orders]
            try:
                ready = await _all_ready(processes, port)
            except OperatorMust as error:
                if error.code != TAKEN or port or not left:
                    raise
                await stack.aclose()
            else:
                break
        parts = _Parts(processes, ready)
        try:
            yield parts
        finally:
            await parts.unwatch()


async def _all_ready(processes: Sequence[Process], port: int) -> list[said.Ready]:
    first, *others = processes
    found = await _ready(first, said.Ports(port=port))
    return [found, *await asyncio.gather(*(_ready(each, found.ports) for each in others))]


async def _ready(process: Process, ports: said.Ports) -> said.Ready:
    """Raises what the part raised, and WeErred where it ended without a word."""
    if process.stdin is None or process.stdout is None:
        raise _gone()
    process.stdin.write(msgspec.json.encode(ports) + b"\n")
    line = await process.stdout.readline()
    if not line:
        raise _gone()
    found: said.Ready | said.Failed = msgspec.json.decode(line, type=said.Ready | said.Failed)
    if isinstance(found, said.Failed):
        raise found.error()
    return found


@asynccontextmanager
async def _process(order: said.Order) -> AsyncIterator[Process]:
    command = [sys.executable, "-m", "iolaus.sim.processes.part"]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=LONGEST)
    try:
        if process.stdin is not None:
            process.stdin.write(msgspec.json.encode(order) + b"\n")
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(ENDING_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _gone() -> WeErred:
    return WeErred(
        "a process that serves a part of it has ended",
        operation="serve",
        subject="simulated hall",
        code="PartGone",
        next_step="Start the hall again; the system's log says who ended it (short of memory?).",
    )


def _refused(why: str, code: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        why, operation="share out", subject="simulated hall", code=code, next_step=next_step
    )
