"""Processes that are forked from one that has imported the program already.

Each is a process like any other, with an environment, files, signals and an exit code of its own;
only what all of them import, for seconds, is imported once.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", "tests.imported"])
"""pytest, because multiprocessing imports in every child what the parent began with."""


class Forked:
    """What `subprocess.Popen` is of a program that starts from nothing, as far as it is needed
    here: `main(*given)` in a session of its own. What it prints goes to files, nothing can be
    typed, and no file grows beyond `disk` bytes. Signals are met as whoever starts it from a
    terminal has it, but `ignored`, whatever these tests were started with."""

    def __init__(
        self,
        main: Callable[..., object],
        *given: Any,
        env: Mapping[str, str] | None = None,
        disk: int | None = None,
        ignored: Sequence[signal.Signals] = (),
    ) -> None:
        self._kept = tempfile.TemporaryDirectory()
        self._out, self._err = (Path(self._kept.name) / name for name in ("out", "err"))
        files = str(self._out), str(self._err)
        world = dict(os.environ if env is None else env)
        child = (*files, world, disk, tuple(ignored), main, *given)
        self._process = _FORKS.Process(target=_child, args=child)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def printed(self) -> bytes:
        """On standard output, so far."""
        return self._out.read_bytes() if self._out.exists() else b""

    def said(self, lines: int, *, wait_s: float = 60.0) -> None:
        """Wait until it has printed so many."""
        deadline = time.monotonic() + wait_s
        while self.printed().count(b"\n") < lines:
            assert self.poll() is None, self.communicate(0)
            assert time.monotonic() < deadline, "it did not print in time"
            time.sleep(0.002)

    def communicate(self, timeout: float) -> tuple[bytes, bytes]:
        """Once it has ended: standard output and standard error."""
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self.printed(), self._err.read_bytes()

    def close(self) -> None:
        """Ends it and all that it started."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it leads no session yet
                os.killpg(self.pid, signal.SIGKILL)
            self._process.kill()
        self._process.join()
        self._process.close()
        self._kept.cleanup()


def _child(
    out: str,
    err: str,
    env: Mapping[str, str],
    disk: int | None,
    ignored: Sequence[signal.Signals],
    main: Callable[..., object],
    *given: Any,
) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for signum in ignored:
        signal.signal(signum, signal.SIG_IGN)
    for number, name in enumerate((os.devnull, out, err)):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), number)
    sys.stdin, sys.stdout = os.fdopen(0, "r", closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    if disk is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))
    os.environ.clear()
    os.environ.update(env)
    main(*given)


def iolaus(*words: str) -> None:
    """What Python does with `python -m iolaus WORDS`."""
    from iolaus.__main__ import main

    sys.argv = ["iolaus", *words]
    sys.orig_argv = [sys.executable, "-m", *sys.argv]
    main()
