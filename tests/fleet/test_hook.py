"""Commands in their cage: bounded in time, output, environment and offspring."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import pytest
import uvloop

from iolaus.fleet.gate import Verdict
from iolaus.fleet.hook import first_line, run_argv, run_hook
from iolaus.kernel.errors import DeviceLied, DeviceSilent, OperatorMust


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


async def verdict(code: str, **document: object) -> Verdict:
    return (await run_hook("g", python(code), document, timeout_s=20)).verdict


async def test_the_exit_code_decides() -> None:
    assert await verdict("") is Verdict.PASSED
    assert await verdict("raise SystemExit(1)") is Verdict.FAILED
    assert await verdict("raise SystemExit(2)") is Verdict.UNKNOWN
    assert await verdict("import os; os.kill(os.getpid(), 9)") is Verdict.UNKNOWN


async def test_it_reads_json_and_its_first_line_is_its_sentence() -> None:
    code = "import json, sys; d = json.load(sys.stdin); print('\\n\\x1b[31mof', d['wave'], '\\nx')"
    judgement = await run_hook("alarms", python(code), {"wave": "canary"}, timeout_s=20)
    assert judgement.gate == "alarms"
    assert judgement.passed
    assert judgement.sentence == f"{sys.executable} ended with 0: [31mof canary"


async def test_a_command_that_reads_nothing_is_no_trouble() -> None:
    assert await verdict("import sys; sys.stdin.close()", big="x" * 500_000) is Verdict.PASSED


async def test_it_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOLAUS_TOKEN", "hush")
    code = "import json, os; print(json.dumps(dict(os.environ)), os.getcwd(), sep='|')"
    ran = await run_argv(python(code), operation="ask", timeout_s=20, env={"SLURM_CONF": "/x"})
    environment, folder = ran.stdout.decode().strip().split("|")
    assert set(json.loads(environment)) <= {"PATH", "LC_ALL", "LC_CTYPE", "SLURM_CONF"}
    assert folder == "/"


async def test_no_shell_reads_the_arguments() -> None:
    code = "import sys; print(sys.argv[1:])"
    ran = await run_argv([*python(code), "$(id)", "; true"], operation="ask", timeout_s=20)
    assert ran.stdout == b"['$(id)', '; true']\n"


async def test_too_long_is_stopped_with_its_children(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    began = time.monotonic()
    shell = ["/bin/sh", "-c", f"sleep 60 & echo $$ $! > {told}; sleep 60"]
    judgement = await run_hook("g", shell, {}, timeout_s=1.5)
    assert judgement.verdict is Verdict.UNKNOWN
    assert "1.5 s" in judgement.sentence
    assert time.monotonic() - began < 20
    assert not await still_there([int(pid) for pid in told.read_text().split()])


async def test_a_child_left_behind_does_not_keep_us_waiting(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    shell = ["/bin/sh", "-c", f"sleep 60 & echo $! > {told}"]
    with pytest.raises(DeviceSilent):
        await run_argv(shell, operation="ask", timeout_s=1.5)
    assert not await still_there([int(told.read_text())])


async def test_who_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = (
        f"import os, time\nopen({str(told)!r} + '.new', 'w').write(str(os.getpid()))\n"
        f"os.rename({str(told)!r} + '.new', {str(told)!r})\ntime.sleep(60)"
    )
    task = asyncio.create_task(run_argv(python(code), operation="ask", timeout_s=50))
    while not told.exists():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await still_there([int(told.read_text())])


async def test_too_much_is_a_lie() -> None:
    code = "import sys\nwhile True: sys.stdout.write('y' * 1000)"
    with pytest.raises(DeviceLied, match="more than 5000 bytes"):
        await run_argv(python(code), operation="ask", timeout_s=20, max_bytes=5000)


@pytest.mark.parametrize("argv", [[], ["/nonexistent/x"], ["/etc/hostname"], ["a\0b"]])
async def test_what_cannot_be_started_is_the_operators_matter(argv: list[str]) -> None:
    with pytest.raises(OperatorMust) as caught:
        await run_argv(argv, operation="ask", timeout_s=5)
    assert caught.value.code == "CommandNotFound"
    assert (await run_hook("g", argv, {}, timeout_s=5)).verdict is Verdict.UNKNOWN


def test_first_lines() -> None:
    assert first_line(b"\n \n\xff\x00a\tb\nc") == "\N{REPLACEMENT CHARACTER} a b"
    assert first_line(b"") == ""
    assert len(first_line(b"x" * 10_000)) == 200


async def still_there(pids: list[int]) -> bool:
    """Whether one of these runs on (a killed orphan may take the init process a moment to bury)."""
    for _ in range(200):
        if not any(_runs(pid) for pid in pids):
            return False
        await asyncio.sleep(0.01)
    return True


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_it_is_the_same_on_the_loop_that_serves() -> None:
    async def ask() -> tuple[Verdict, Verdict, float]:
        code = "import sys; sys.exit(0 if sys.stdin.read() == '{\"a\":1}' else 3)"
        whole = await run_hook("g", python(code), {"a": 1}, timeout_s=20)
        began = time.monotonic()
        sleeps = await run_hook("g", ["/bin/sh", "-c", "sleep 60 & sleep 60"], {}, timeout_s=0.3)
        return whole.verdict, sleeps.verdict, time.monotonic() - began

    read, slept, took_s = uvloop.run(ask())
    assert (read, slept) == (Verdict.PASSED, Verdict.UNKNOWN)
    assert took_s < 20
