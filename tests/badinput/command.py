"""The real command line in a process of its own, and what every run of it must keep to.

Whatever happens: no traceback, no password and no token in what is printed, data on standard
output or nothing, and a failure that says what, to what, and what to do next.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.forked import Forked, iolaus

CANARY = "canary-Pa55-7f3e91"
WAIT_S = 90.0
PROGRAM = (sys.executable, "-m", "iolaus")


class Said(NamedTuple):
    """What one run printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def failed(self, code: int, *words: str) -> Said:
        """It failed with this code, in three lines a person can act on that hold these words."""
        assert self.code == code, self
        assert "error: " in self.err, self
        assert "\n  while: " in self.err, self
        assert "\n  next:  " in self.err, self
        for word in words:
            assert word in self.err, (word, self)
        return self

    @property
    def next_step(self) -> str:
        return self.err.rpartition("  next:  ")[2].strip()


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of the machine's own state, and a password that must never be seen again."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IOLAUS_")}
    return {
        **kept,
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "NO_COLOR": "1",
        "IOLAUS_BMC_PASSWORD": CANARY,
        **more,
    }


class Shell:
    """Runs commands as one operator: one home, one environment."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(
        self,
        *words: object,
        env: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        wait_s: float = WAIT_S,
        disk: int | None = None,
    ) -> Said:
        """Run to its end, where no file can grow beyond `disk` bytes."""
        with self.started(*words, env=env, without=without, disk=disk) as running:
            return running.ended(wait_s=wait_s)

    def anew(self, *words: object, env: Mapping[str, str] | None = None) -> Said:
        """Likewise in a process that begins with nothing, as a person's does."""
        done = subprocess.run(
            [*PROGRAM, *map(str, words)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=self._env(env, ()),
            timeout=WAIT_S,
            check=False,
        )
        return decent(done.returncode, done.stdout, done.stderr)

    def paste(self, line: str, *more: object) -> Said:
        """Run a command as a message printed it, with what the operator had typed besides."""
        words = line.split()
        assert words[0] == "iolaus", line
        return self(*words[1:], *more)

    @contextmanager
    def started(
        self,
        *words: object,
        env: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        disk: int | None = None,
        ignored: Sequence[signal.Signals] = (),
    ) -> Iterator[Running]:
        """A command that stays; killed at the end if it still runs."""
        world = self._env(env, without)
        process = Forked(iolaus, *map(str, words), env=world, disk=disk, ignored=ignored)
        try:
            yield Running(process)
        finally:
            process.close()

    def _env(self, env: Mapping[str, str] | None, without: Sequence[str]) -> dict[str, str]:
        found = environment(self.home, **(env or {}))
        return {name: value for name, value in found.items() if name not in without}


class Running:
    def __init__(self, process: Forked) -> None:
        self.process = process

    def ended(self, number: signal.Signals | None = None, *, wait_s: float = 30.0) -> Said:
        """What it said in its life, after this signal if one is given."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(wait_s)
        code = self.process.poll()
        assert code is not None
        return decent(code, out, err)

    def first_line(self) -> bytes:
        """Of its standard output, once it is there."""
        self.until(lambda: b"\n" in self.process.printed())
        return self.process.printed().partition(b"\n")[0]

    def until(self, is_so: Callable[[], bool], *, wait_s: float = 60.0) -> None:
        """Wait for something that it brings about."""
        deadline = time.monotonic() + wait_s
        while not is_so():
            if self.process.poll() is not None:
                pytest.fail(f"it ended: {self.ended()}")
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)


def decent(code: int, out: bytes, err: bytes) -> Said:
    said = Said(code, out.decode(), err.decode())
    for text in (said.out, said.err):
        assert "Traceback (most recent call last)" not in text, said
        assert CANARY not in text, "a secret was printed"
        assert "our own fault" not in text, said
    if code not in (0, 1) and said.out.strip():
        json.loads(said.out)
    return said
