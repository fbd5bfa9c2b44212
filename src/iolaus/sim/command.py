"""`iolaus sim ...` without the command line: options in, one ready line out, and a clean end.

A simulator is a process of its own. When all devices listen it prints one JSON line on standard
output, so that whoever started it knows when, where and with which token; everything else goes
to standard error. SIGINT and SIGTERM end it at once, and so does the end of the process that
started it if asked to, so that nothing stays behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import uvloop
import yaml

from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.sim.catalogue.script import Script, Strikes, load_script, play
from iolaus.sim.catalogue.strike import Striking
from iolaus.sim.device import DEFAULT_PASSWORD, DEFAULT_USER, Device, Latency, Options
from iolaus.sim.oracle import Oracle
from iolaus.sim.replay import Capture, read_captures
from iolaus.sim.rules import load_rules
from iolaus.sim.serve.doors import gone
from iolaus.sim.server import DEFAULT_SUBNET, Hall
from iolaus.sim.tls import Authority
from iolaus.sim.tree import TemplateTree

DEFAULT_PORT = 8443
_PARENT = os.getppid()
Ready = Callable[[Mapping[str, Any]], None]


class Beside(Protocol):
    """What is served beside the devices: `told` goes into the ready line, `asked` answers the
    oracle."""

    def told(self) -> Mapping[str, Any]: ...

    async def asked(self, verb: str, body: Mapping[str, Any]) -> Any: ...


Companion = Callable[[Sequence[Device]], AbstractAsyncContextManager[Beside]]
"""Starts it once the devices have their addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Where devices listen and what comes with them. `port` 0 takes a free one; `tls_dir` keeps
    the authority and the certificates over a restart; `script` is a script of timed faults;
    `with_parent` ends with the process that started this one."""

    subnet: str = DEFAULT_SUBNET
    port: int = DEFAULT_PORT
    tls: bool = True
    tls_dir: Path | None = None
    hosts_out: Path | None = None
    faults: Path | None = None
    script: Path | None = None
    oracle: bool = True
    with_parent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How replayed devices behave. `copies` serves each capture so many times."""

    user: str = DEFAULT_USER
    password_file: Path | None = None
    sessions: bool = True
    session_limit: int = 8
    page_size: int = 0
    slots: int = 0
    latency: Latency = field(default_factory=Latency)
    copies: int = 1
    seed: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)


def print_ready(line: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def serve_replay(
    paths: Sequence[Path],
    *,
    replay: ReplayOptions | None = None,
    serve: ServeOptions | None = None,
    ready: Ready = print_ready,
) -> int:
    """Serve captures until told to stop; the exit code. Errors go to standard error."""
    try:
        devices = replayed(paths, replay or ReplayOptions())
    except IolausError as error:
        return failed(error)
    return serve_devices(devices, serve=serve, ready=ready)


def serve_devices(
    devices: Sequence[Device],
    *,
    serve: ServeOptions | None = None,
    ready: Ready = print_ready,
    companions: Mapping[str, Companion] | None = None,
) -> int:
    """Serve devices until SIGINT or SIGTERM; the exit code. Blocks; runs its own event loop."""
    try:
        uvloop.run(run(devices, serve=serve or ServeOptions(), ready=ready, companions=companions))
    except IolausError as error:
        return failed(error)
    except KeyboardInterrupt:
        return 0
    return 0


async def run(
    devices: Sequence[Device],
    *,
    serve: ServeOptions,
    ready: Ready,
    stop: asyncio.Event | None = None,
    signals: bool = True,
    companions: Mapping[str, Companion] | None = None,
    authority: Authority | None = None,
) -> None:
    """Serve until `stop` is set or, with `signals`, one comes. `companions`, by name, are served
    beside the devices. Raises `OperatorMust`, and `WeErred` when it cannot go on."""
    stop = stop or asyncio.Event()
    watching = asyncio.create_task(follow_parent(stop)) if serve.with_parent else None
    if signals:
        stop_on_signals(stop)
    rules = load_rules(serve.faults) if serve.faults is not None else []
    script = load_script(serve.script) if serve.script is not None else None
    authority = (authority or Authority(serve.tls_dir)) if serve.tls else None
    hall = Hall(devices, subnet=serve.subnet, port=serve.port, tls=serve.tls, authority=authority)
    oracle = Oracle(hall) if serve.oracle else None
    try:
        await hall.start()
        async with AsyncExitStack() as stack:
            beside = {
                name: await stack.enter_async_context(start(hall.devices))
                for name, start in (companions or {}).items()
            }
            striking = oracle.striking if oracle is not None else Striking(hall)
            striking.beside = beside
            if oracle is not None:
                await oracle.start()
            hall.inject(*rules)
            told = {name: each.told() for name, each in beside.items()}
            ready({**_ready_line(hall, oracle, serve.hosts_out), **told})
            if script is not None:
                stack.enter_context(playing(script, striking))
            await either(stop, hall.broken)
        if hall.broken.is_set() and not stop.is_set():
            raise gone()
    finally:
        if watching is not None:
            watching.cancel()
        if oracle is not None:
            await oracle.stop()
        await hall.stop()


async def either(*events: asyncio.Event) -> None:
    """Until one of them is set."""
    ends = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()


@contextmanager
def playing(script: Script, striking: Strikes) -> Iterator[None]:
    """A script is played for as long as the block runs, and told on standard error."""
    task = asyncio.create_task(play(script, striking, say=_say))
    try:
        yield
    finally:
        task.cancel()
        striking.stop()


def _say(line: str) -> None:
    sys.stderr.write(f"iolaus sim: {line}\n")


def replayed(paths: Sequence[Path], options: ReplayOptions) -> list[Device]:
    """A device per capture and copy. Raises `OperatorMust` for a capture that cannot be used."""
    accounts = {options.user: read_password(options.password_file)}
    behaviour = Options(
        accounts=accounts,
        sessions=options.sessions,
        session_limit=options.session_limit,
        page_size=options.page_size,
        slots=options.slots,
        latency=options.latency,
        seed=options.seed,
    )
    captures = list(read_captures([Path(path) for path in paths]))
    if not captures:
        raise OperatorMust(
            "no capture was given", operation="replay", subject="-", next_step="give a path."
        )
    names = _names(captures, options.copies)
    return [
        Device(TemplateTree(capture.template), name=name, labels=options.labels, options=behaviour)
        for name, capture in names
    ]


def read_password(file: Path | None) -> str:
    """The simulated account's password: of the file, else of the environment, else the default."""
    if file is None:
        return os.environ.get("IOLAUS_SIM_PASSWORD") or DEFAULT_PASSWORD
    try:
        return file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorMust(
            f"cannot be read: {error}",
            operation="read password",
            subject=str(file),
            next_step="give a readable file that holds nothing but the password.",
        ) from None


def _names(captures: Sequence[Capture], copies: int) -> list[tuple[str, Capture]]:
    found: dict[str, Capture] = {}
    for capture in captures:
        for copy in range(max(1, copies)):
            name = capture.name if copy == 0 else f"{capture.name}-{copy + 1}"
            stem, number = name, 1
            while name in found:
                number += 1
                name = f"{stem}.{number}"
            found[name] = capture
    return list(found.items())


def _ready_line(hall: Hall, oracle: Oracle | None, hosts_out: Path | None) -> dict[str, Any]:
    if hosts_out is not None:
        write_hosts(hosts_out, hall.hosts())
    line: dict[str, Any] = {
        "ready": True,
        "devices": len(hall.devices),
        "hosts": str(hosts_out) if hosts_out else None,
        "port": hall.port,
        "first": hall.devices[0].address if hall.devices else None,
        "pid": os.getpid(),
    }
    if oracle is not None:
        line["oracle"] = {"url": oracle.url, "token": oracle.token}
    return line


def write_hosts(file: Path, content: Mapping[str, Any]) -> None:
    """Written beside and renamed, so that a reader never sees half of it. Raises `OperatorMust`."""
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False)
    try:
        part = file.with_name(f".{file.name}.part")
        part.write_text(text)
        part.replace(file)
    except OSError as error:
        raise OperatorMust(
            f"cannot be written: {error.strerror or error}",
            operation="write hosts",
            subject=str(file),
            next_step="give --hosts-out a path that can be written.",
        ) from None


_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


async def follow_parent(stop: asyncio.Event) -> None:
    while os.getppid() == _PARENT:  # noqa: ASYNC110  another process's end is no event of ours
        await asyncio.sleep(0.5)
    stop.set()


def failed(error: IolausError) -> int:
    sys.stderr.write(f"iolaus sim: {error}\n")
    return error.exit_code
