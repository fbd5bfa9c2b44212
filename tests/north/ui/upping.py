"""`iolaus up` as a person runs it: a process with its simulated hall, ready when it says so."""

from __future__ import annotations

import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from iolaus.kernel.ports import free_port
from tests.forked import Forked, iolaus

START_S = 120.0


@contextmanager
def iolaus_up(*options: str) -> Iterator[str]:
    """Its address, once the hall is discovered; it and its hall are stopped afterwards."""
    port = free_port()
    process = Forked(iolaus, "up", "--listen", f"127.0.0.1:{port}", *options)
    try:
        _until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(30)
        process.close()


def _until_ready(url: str, process: Forked) -> None:
    deadline = time.monotonic() + START_S
    while not _is_ready(url):
        assert process.poll() is None, "iolaus up ended early"
        assert time.monotonic() < deadline, "iolaus up is not ready in time"
        time.sleep(0.25)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=30) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
