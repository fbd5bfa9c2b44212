"""A demonstration of a bench's own: a hall behind `iolaus up`, the command line, and the oracle.

What an operator does is done by the real command line against the real server over HTTP; only
what nobody may know of a device (that it was changed behind our back, what was written to it) goes
through the simulator's second door.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx

from iolaus.kernel.ports import free_port

T = TypeVar("T")
Json = dict[str, Any]
GROUP = "hw-oncall"
PATIENT = 5
UNREACHABLE = 4
_WRITING = ("POST", "PATCH", "PUT", "DELETE")
_EVERYBODYS = (
    "/SessionService/Sessions",
    "/EventService/Subscriptions",
    "GetSignedMeasurements",
)
"""What is written there changes nothing: whoever only reads does it, too."""


class Said(NamedTuple):
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Stage:
    """A running demonstration."""

    def __init__(self, *, url: str, state: Path) -> None:
        self.url, self.state = url, state
        self._last = ""
        self._environment = {**os.environ, "IOLAUS_URL": url}
        self._environment.pop("IOLAUS_TOKEN", None)
        place = json.loads((state / "demo.json").read_text())
        headers = {"Authorization": f"Bearer {place['token']}"}
        self._oracle = httpx.Client(
            base_url=place["url"], headers=headers, timeout=120.0, trust_env=False
        )

    # What an operator does

    def run(self, *words: str, token: str = "", given: Json | None = None) -> Said:
        """The command line with these words; `given` is its standard input."""
        environment = {**self._environment, **({"IOLAUS_TOKEN": token} if token else {})}
        done = subprocess.run(
            [sys.executable, "-m", "iolaus", *words],
            env=environment,
            input=json.dumps(given) if given is not None else "",
            capture_output=True,
            text=True,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def must(self, *words: str, token: str = "", given: Json | None = None) -> Said:
        """The same, and it ends well; a server that is too busy to answer is asked again."""
        for _ in range(PATIENT):
            said = self.run(*words, token=token, given=given)
            if said.code != UNREACHABLE:
                break
        if said.code:
            raise SystemExit(f"iolaus {' '.join(words)}: {said.code}\n{said.out}{said.err}")
        return said

    def compared(self) -> Json:
        """What `diff` finds, and its exit code as `code`."""
        said = self.run("diff", "-o", "json")
        if said.code == UNREACHABLE:
            raise httpx.ConnectError(said.err)
        if said.code not in (0, 1) or not said.out:
            raise SystemExit(f"diff: {said.code}\n{said.err}")
        return {**said.json, "code": said.code}

    def all_right(self, *, patience_s: float) -> Json:
        """Once every node was compared and is as the baseline says."""

        def right() -> Json | None:
            found = self.compared()
            self._told(found)
            return found if found["nodes"] and set(found["counts"]) == {"in-sync"} else None

        return until("nothing departs", right, patience_s=patience_s)

    def _told(self, found: Json) -> None:
        """What departs while it is waited for, once whenever that changes."""
        if (now := f"{found['counts']}") != self._last:
            self._last = now
            why = [f"{c['count']} {c['subject']} {c['reason']}" for c in found["items"][:3]]
            print(f"    {now} {'; '.join(why)}", flush=True)

    def nodes(self) -> list[Json]:
        found: list[Json] = self.must("get", "nodes", "-o", "json").json["items"]
        return found

    def rollout(self, plan: str) -> Json:
        """How it fares, node by node."""
        found: Json = self.must("get", f"rollout/{plan}", "-o", "json").json
        return found["items"][0] if "items" in found else found

    def approver(self) -> str:
        """The token of somebody else, who may approve what we made."""
        from iolaus.north.auth import Role, TokenFile, new_token
        from iolaus.store.state import TOKENS

        text, token = new_token(Role.APPROVER, name="dana", groups=(GROUP,))
        TokenFile(self.state / TOKENS).put(token)
        return text

    # What nobody may know

    def devices(self) -> dict[str, Json]:
        """By address."""
        return {row["address"]: row for row in self._ask("GET", "/devices")["devices"]}

    def tell(self, name: str, verb: str, body: Json | None = None) -> Json:
        return self._ask("POST", f"/devices/{name}/{verb}", body or {})

    def strike(self, order: Json) -> Json:
        return self._ask("POST", "/faults", order)

    def mend(self) -> None:
        self._ask("DELETE", "/faults")

    def resource(self, name: str, path: str) -> Json:
        answer = self._oracle.get(f"/devices/{name}/truth", params={"path": path})
        answer.raise_for_status()
        found: Json = answer.json()["resource"] or {}
        return found

    def record(self) -> None:
        """From now on every request to every device is written down."""
        for row in self.devices().values():
            self.tell(row["name"], "record", {"on": True})

    def written(self) -> dict[str, list[str]]:
        """Addresses of devices that were written to, each with what, as the device counted."""
        found = {}
        for address, row in self.devices().items():
            orders = self._ask("GET", f"/devices/{row['name']}")["order"] or ()
            writes = [
                f"{method} {path}"
                for _, method, path in orders
                if method in _WRITING and not any(each in path for each in _EVERYBODYS)
            ]
            if writes:
                found[address] = writes
        return found

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self._oracle.request(method, path, json=body)
        if answer.is_error:
            raise SystemExit(f"the oracle: {answer.text}")
        found: Json = answer.json()
        return found


class Checks:
    """What must be so, told as it is found; `code` is what the bench ends with."""

    def __init__(self) -> None:
        self.code = 0

    def __call__(self, what: str, so: bool, seen: object = "") -> None:
        if not so:
            self.code = 1
        tail = f": {seen}" if seen != "" and not so else ""
        print(f"  {'ok  ' if so else 'FAIL'}  {what}{tail}", flush=True)


@contextmanager
def staged(
    nodes: int, *words: str, prepare: Callable[[Path], None] | None = None
) -> Iterator[Stage]:
    """`iolaus up` with so many nodes (and more words), discovered; `prepare` sees the state
    directory first. Ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        state, url = Path(folder) / "state", f"127.0.0.1:{free_port()}"
        state.mkdir(mode=0o700)
        if prepare is not None:
            prepare(state)
        command = [sys.executable, "-m", "iolaus", "up", "--nodes", str(nodes), *words]
        command += ["--listen", url, "--state", str(state)]
        with (Path(folder) / "log").open("w+") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                until("it is up", lambda: _ready(url, process, Path(log.name)), patience_s=3600.0)
                yield Stage(url=f"http://{url}", state=state)
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=120)


def _ready(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise SystemExit(f"it ended:\n{log.read_text()}")
    return httpx.get(f"http://{url}/readyz", timeout=30.0, trust_env=False).status_code == 200


def until(what: str, check: Callable[[], T | None], *, patience_s: float) -> T:
    """What `check` finds in the end."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            if found := check():
                return found
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"it never came to this: {what}")


def baseline(name: str, spec: Mapping[str, Any]) -> Json:
    return {
        "apiVersion": "iolaus.dev/v1",
        "kind": "Baseline",
        "metadata": {"name": name},
        "spec": dict(spec),
    }


def by_state(drifts: Sequence[Json]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in drifts:
        found[each["state"]] = found.get(each["state"], 0) + 1
    return found
