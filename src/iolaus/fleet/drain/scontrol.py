"""Slurm by its commands: `scontrol` and `squeue`, run without a shell.

`scontrol show node --json` is read where the version has it; older ones, and those built without
the plugin, print for people, and that is read too.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

import msgspec

from iolaus.fleet.drain.slurm import SlurmNode, parse_nodes, parse_text, slurm_error
from iolaus.fleet.hook import Ran, first_line, run_argv
from iolaus.kernel.errors import DeviceLied, DeviceRefused

MAX_OUTPUT: Final = 4 * 1024 * 1024
MAX_AT_ONCE: Final = 8
_JOB: Final = re.compile(r"[0-9][0-9_+,%.\[\]-]{0,63}")
STATES: Final = "RUNNING,SUSPENDED,COMPLETING,CONFIGURING"


class Scontrol:
    """One cluster's commands; conforms to `iolaus.fleet.drain.slurm.Slurm`. `squeue` may be empty:
    then jobs are not listed, and the node's own state decides. `conf` is the file slurm.conf."""

    def __init__(
        self,
        *,
        scontrol: str = "scontrol",
        squeue: str = "squeue",
        conf: str = "",
        timeout_s: float = 30.0,
    ) -> None:
        self._scontrol, self._squeue, self._timeout_s = scontrol, squeue, timeout_s
        self._env = {"SLURM_CONF": conf} if conf else {}
        self._json, self._turns = True, asyncio.Semaphore(MAX_AT_ONCE)

    async def aclose(self) -> None:
        return

    async def read(self, name: str) -> SlurmNode:
        if self._json:
            ran = await self._run(self._scontrol, "show", "node", name, "--json", about=name)
            if ran.code < 0:
                raise _failed(ran, "read drain", name)
            node = _of_json(ran.stdout, name) if ran.code == 0 else None
            if node is not None:
                return node
        ran = await self._run(self._scontrol, "show", "node", name, about=name)
        if ran.code != 0:
            raise _failed(ran, "read drain", name)
        node = parse_text(ran.stdout.decode("utf-8", "replace"), name)
        if node is None:
            raise DeviceLied(
                f"{self._scontrol} shows something else",
                operation="read drain",
                subject=name,
                code="DrainAnswerUnreadable",
                next_step=f"run {self._scontrol} show node {name} by hand",
            )
        self._json = False
        return node

    async def jobs(self, name: str) -> tuple[str, ...] | None:
        if not self._squeue:
            return None
        ran = await self._run(
            self._squeue, "--noheader", f"--nodelist={name}", f"--states={STATES}", "--format=%i",
            about=name,
        )  # fmt: skip
        if ran.code != 0:
            raise _failed(ran, "list jobs", name)
        found = ran.stdout.decode("ascii", "replace").split()
        if not all(_JOB.fullmatch(job) for job in found):
            raise DeviceLied(
                f"{self._squeue} prints something else than numbers of jobs",
                operation="list jobs",
                subject=name,
                code="DrainAnswerUnreadable",
            )
        return tuple(found)

    async def update(self, name: str, *, state: str | None, reason: str | None) -> None:
        words = [f"nodename={name}"]
        words += [f"state={state.lower()}"] if state else []
        words += [f"reason={reason}"] if reason is not None else []
        ran = await self._run(self._scontrol, "update", *words, about=name)
        if ran.code != 0:
            raise _failed(ran, "drain" if state == "DRAIN" else "undrain", name)

    async def _run(self, *argv: str, about: str) -> Ran:
        async with self._turns:
            return await run_argv(
                argv,
                operation=f"drain {about} with",
                timeout_s=self._timeout_s,
                max_bytes=MAX_OUTPUT,
                env=self._env,
            )


def _of_json(output: bytes, name: str) -> SlurmNode | None:
    try:
        return parse_nodes(msgspec.json.decode(output), name)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _failed(ran: Ran, operation: str, name: str) -> Exception:
    said = first_line(ran.stderr) or first_line(ran.stdout)
    if ran.code < 0:
        return DeviceRefused(
            f"the command was ended by signal {-ran.code}",
            operation=operation,
            subject=name,
            code="DrainRefused",
        )
    return slurm_error(
        said or f"it ended with {ran.code} and said nothing", operation=operation, subject=name
    )
