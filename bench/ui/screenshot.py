"""The picture of the README: the hall page of a real `iolaus up` with its simulated hall."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.north.ui.browsing import chromium, tab

START_S = 120.0
MOST_BYTES = 200_000
SETTLE_MS = 25_000


def take(target: Path, chromium_path: str, *, path: str = "/?metric=power") -> None:
    """Write the PNG; Iolaus and its hall are stopped afterwards."""
    port = _free_port()
    command = [sys.executable, "-m", "iolaus", "up", "--listen", f"127.0.0.1:{port}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _until_ready(url, server)
        with chromium(chromium_path) as browser, tab(browser, url) as opened:
            opened.open_map(path.removeprefix("/"))
            opened.page.wait_for_timeout(SETTLE_MS)  # two polls: nothing is a first impression
            target.parent.mkdir(parents=True, exist_ok=True)
            opened.page.screenshot(path=target)
            opened.check()
    finally:
        server.terminate()
        server.wait(30)
    size = target.stat().st_size
    print(f"{target}: {size:,} bytes")
    if size > MOST_BYTES:
        sys.exit(f"larger than {MOST_BYTES:,} bytes")


def _until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit("iolaus up ended early")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            pass
        time.sleep(0.5)
    sys.exit("not ready in time")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
