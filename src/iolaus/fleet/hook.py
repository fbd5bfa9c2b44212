"""Commands that decide: a gate of the operator's own, run without a shell.

The command gets JSON on its standard input and answers by its exit code: 0 passed, 1 failed,
anything else (a signal, a time-out, too much output, no such file) unknown, which is not passed.
It runs in a session of its own and in an environment of two variables, so it inherits none of our
secrets, and what it leaves behind is killed with it. `run_argv` is the same cage for whoever else
has to run a program.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec

from iolaus.fleet.gate import Judgement, Verdict
from iolaus.kernel.errors import DeviceLied, DeviceSilent, IolausError, OperatorMust

ENVIRONMENT: Final[Mapping[str, str]] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
}
MAX_OUTPUT: Final = 64 * 1024
MAX_SHOWN: Final = 200
GONE_WITHIN_S: Final = 5.0
_VERDICTS: Final = {0: Verdict.PASSED, 1: Verdict.FAILED}


class Ran(NamedTuple):
    """The exit code (negative: the signal that ended it) and what it wrote."""

    code: int
    stdout: bytes
    stderr: bytes


class _Listener(asyncio.SubprocessProtocol):
    """Collects what a process writes, up to a bound; `over` when the process and its pipes are
    at their end or the bound is passed."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.too_much = max_bytes, False
        self.wrote = {1: bytearray(), 2: bytearray()}
        self.over, self.exited = asyncio.Event(), asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.wrote[fd] += data[: self.max_bytes - len(self.wrote[fd]) + 1]
        if len(self.wrote[fd]) > self.max_bytes:
            self.too_much = True
            self.over.set()

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, _: Exception | None) -> None:
        self.over.set()


async def run_argv(
    argv: Sequence[str],
    *,
    operation: str,
    stdin: bytes = b"",
    timeout_s: float,
    max_bytes: int = MAX_OUTPUT,
    env: Mapping[str, str] | None = None,
) -> Ran:
    """Run a program to its end. `env` is added to the two variables that every program gets.

    Raises `OperatorMust` if it cannot be started, `DeviceSilent` if it (or what it started) takes
    longer than `timeout_s`, `DeviceLied` if it writes more than `max_bytes` to one stream. It and
    its children are killed on each of these paths, and when the caller is cancelled.
    """
    subject = argv[0] if argv else "command"
    transport, listener = await _start(argv, operation, max_bytes, {**ENVIRONMENT, **(env or {})})
    try:
        async with asyncio.timeout(timeout_s):
            _feed(transport, stdin)
            await listener.over.wait()
    except TimeoutError:
        raise DeviceSilent(
            f"it did not end within {timeout_s:g} s and was stopped",
            operation=operation,
            subject=subject,
            code="CommandTimeout",
            next_step="run it by hand to see what it waits for, or allow it more time",
        ) from None
    finally:
        await _bury(transport, listener)
    if listener.too_much:
        raise DeviceLied(
            f"it wrote more than {max_bytes} bytes",
            operation=operation,
            subject=subject,
            code="CommandTooLoud",
        )
    code = transport.get_returncode()
    return Ran(code if code is not None else -1, bytes(listener.wrote[1]), bytes(listener.wrote[2]))


async def _start(
    argv: Sequence[str], operation: str, max_bytes: int, env: Mapping[str, str]
) -> tuple[asyncio.SubprocessTransport, _Listener]:
    loop = asyncio.get_running_loop()
    try:
        if not argv:
            raise ValueError("it names no command")
        return await loop.subprocess_exec(
            lambda: _Listener(max_bytes), *argv, env=dict(env), cwd="/", start_new_session=True
        )
    except (OSError, ValueError) as error:
        raise OperatorMust(
            f"it cannot be started ({getattr(error, 'strerror', None) or error})",
            operation=operation,
            subject=argv[0] if argv else "command",
            code="CommandNotFound",
            next_step="name an executable file by its whole path",
        ) from None


def _feed(transport: asyncio.SubprocessTransport, stdin: bytes) -> None:
    pipe = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))  # uvloop's is no subclass
    pipe.write(stdin)
    pipe.close()


async def _bury(transport: asyncio.SubprocessTransport, listener: _Listener) -> None:
    """Nothing of the process is left: neither it nor a child in its session, nor a pipe."""
    if not listener.exited.is_set() or not listener.over.is_set() or listener.too_much:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GONE_WITHIN_S):
            await listener.exited.wait()
    transport.close()


async def run_hook(
    name: str,
    argv: Sequence[str],
    document: Mapping[str, Any],
    *,
    timeout_s: float = 60.0,
    env: Mapping[str, str] | None = None,
) -> Judgement:
    """What the command `argv` says of `document` (JSON-able; written to its standard input).

    Never raises for what the command does. The first line that it writes is its sentence.
    """
    stdin = msgspec.json.encode(document)
    try:
        ran = await run_argv(
            argv, operation="ask", stdin=stdin, timeout_s=timeout_s, max_bytes=MAX_OUTPUT, env=env
        )
    except IolausError as error:
        return Judgement(gate=name, verdict=Verdict.UNKNOWN, sentence=str(error))
    verdict = _VERDICTS.get(ran.code, Verdict.UNKNOWN)
    said = first_line(ran.stdout) or first_line(ran.stderr)
    sentence = f"{argv[0]} ended with {ran.code}" + (f": {said}" if said else "")
    return Judgement(gate=name, verdict=verdict, sentence=sentence)


def first_line(text: bytes) -> str:
    """The first line that holds anything, as text that can be shown: no control characters."""
    for line in text.decode("utf-8", "replace").splitlines():
        shown = "".join(c if c.isprintable() else " " for c in line[:MAX_SHOWN]).strip()
        if shown:
            return shown
    return ""
