"""What a cluster has to do while it is hurt: restarts in waves, and an operator who writes.

Plans follow each other, each over all nodes; what was asked of each node is written down, what the
roll-out calls done, and what the devices counted. An answer that does not come is asked for again.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

from tests.app.cluster.history import Write

from iolaus.app.cluster.onemachine import Cluster

RESET = "/Actions/ComputerSystem.Reset"
OVER = ("done", "aborted", "undone")
PASSING = (0, 404, 409, 500, 502, 503)
"""Answers that are worth asking again while a cluster is hurt."""
WITHIN_S = 20.0
BATCH = "25%"
Answer = tuple[int, Any]


class Labours:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._ended = cluster, threading.Event()
        self.writes: list[Write] = []
        self.asked, self.done = Counter[str](), Counter[str]()
        self.rounds, self.stopped, self.reasons = 0, 0, Counter[str]()
        self.where = dict[str, str]()
        self.devices = dict[str, str]()
        self._pause_s = max(0.5, cluster.nodes / 1000)
        self._threads = [threading.Thread(target=work) for work in (self._roll, self._write)]

    def look(self) -> None:
        """Which nodes there are, each a system of one device."""
        devices = self.oracle("/devices")["devices"]
        self.devices = {each["address"]: each["name"] for each in devices}
        self._find_nodes()

    def _find_nodes(self) -> None:
        items = self.must("GET", "/api/v1/nodes?limit=10000")["items"]
        self.where |= {each["metadata"]["name"]: each["status"]["endpoint"] for each in items}

    def start(self) -> None:
        """After `look`."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """To the end of what is under way; raises what a test raises."""
        self._ended.set()
        for thread in self._threads:
            thread.join(900.0 + self._cluster.nodes)
            assert not thread.is_alive(), "the roll-out does not come to an end"

    def close(self) -> None:
        self._ended.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(60.0)

    def told(self) -> str:
        kept = sum(each.acknowledged for each in self.writes)
        return (
            f"{kept} of {len(self.writes)} writes acknowledged, {self.rounds} roll-outs "
            f"({self.stopped} stopped for a person), {sum(self.done.values())} of "
            f"{sum(self.asked.values())} restarts done; not done: {dict(self.reasons)}"
        )

    # --- what is true at last --------------------------------------------------------------------

    def found(self) -> dict[str, str]:
        """What the API says of all that was written."""
        found = dict[str, str]()
        for each in self.must("GET", "/api/v1/baselines?limit=500")["items"]:
            found[f"baseline/{each['metadata']['name']}"] = each["metadata"]["labels"]["value"]
        for each in self.must("GET", "/api/v1/tokens")["items"]:
            found[f"token/{each['status']['name']}"] = "made"
        return found

    def effects(self) -> dict[str, int]:
        """Restarts that the devices counted, by endpoint."""
        counted = dict[str, int]()
        for address, name in self.devices.items():
            paths = self.oracle(f"/devices/{name}")["by_path"]
            counted[address] = sum(n for path, n in paths.items() if path.endswith(RESET))
        return counted

    # --- working ---------------------------------------------------------------------------------

    def _write(self) -> None:
        number = 0
        while not self._ended.wait(0.5):
            number += 1
            name, value = f"chaos-{number % 5}", str(number)
            document = {
                "apiVersion": "iolaus.dev/v1",
                "kind": "Baseline",
                "metadata": {"name": name, "labels": {"value": value}},
                "spec": {"selector": {"matchLabels": {"model": "none"}}},
            }
            status, _ = self.ask("PUT", f"/api/v1/baselines/{name}", document)
            self.writes.append(Write(f"baseline/{name}", value, 200 <= status < 300))
            if number % 10 == 0:
                order = {"spec": {"name": f"chaos-{number}", "role": "viewer"}}
                status, _ = self.ask("POST", "/api/v1/tokens", order)
                self.writes.append(Write(f"token/chaos-{number}", "made", 200 <= status < 300))

    def _roll(self) -> None:
        while not self._ended.is_set():
            self._follow(self.order(batch=BATCH))
            self.rounds += 1

    def order(self, *, batch: str | int) -> str:
        """Let all nodes be restarted, so many at once; the plan's name."""
        asked = {"kind": "power", "arguments": {"action": "reset"}}
        order = {"spec": {"asked": asked, "selector": "kind=node", "batch": batch}}
        plan: str = self.must("POST", "/api/v1/plans", order)["metadata"]["name"]
        self._find_nodes()
        for address in self.where.values():
            self.asked[address] += 1
        self.must("POST", f"/api/v1/plans/{plan}/apply", {}, again=b"AlreadyApplied")
        return plan

    def _follow(self, plan: str) -> None:
        """Until it is over, or stops for a person: who then gives it up, whatever is half done."""
        while True:
            status, found = self.ask("GET", f"/api/v1/rollouts/{plan}")
            if status == 200 and (state := found["status"]["state"]) in (*OVER, "paused"):
                break
            time.sleep(self._pause_s)
        if state == "paused":
            self.stopped += 1
            self.must("POST", f"/api/v1/rollouts/{plan}/abort", {}, again=b"it is abort")
            while self.must("GET", f"/api/v1/rollouts/{plan}")["status"]["state"] not in OVER:
                time.sleep(self._pause_s)
        for node in self.must("GET", f"/api/v1/rollouts/{plan}")["status"]["nodes"]:
            if node["state"] == "done":
                self.done[self.where[node["name"]]] += 1
            else:
                self.reasons[f"{node['state']}: {node['reason'][:60]}"] += 1

    # --- asking ----------------------------------------------------------------------------------

    def must(self, method: str, path: str, body: Any = None, *, again: bytes = b"") -> Any:
        """Until it is done. `again`: how it is refused where an earlier try was taken and its
        answer lost."""
        until_s = time.monotonic() + 600.0
        while True:
            status, found = self.ask(method, path, body)
            if status in (200, 201, 202) or (again and status == 403 and again in found):
                return found
            told = f"{method} {path}: {status} {found}"
            assert status in PASSING, told
            assert time.monotonic() < until_s, told
            time.sleep(0.5)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Of whichever core answers; (0, ...) where none did."""
        last: Answer = 0, None
        for core in range(2):
            request = urllib.request.Request(
                self._cluster.url(core) + path,
                data=None if body is None else json.dumps(body).encode(),
                method=method,
                headers={
                    "Authorization": f"Bearer {self._cluster.token}",
                    "Content-Type": "application/json",
                },
            )
            try:
                with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
                    return answer.status, json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                last = error.code, error.read()
                if error.code not in (502, 503):
                    return last
            except (OSError, http.client.HTTPException, ValueError) as error:
                last = 0, error
                if method not in ("GET", "PUT"):
                    return last
        return last

    def oracle(self, path: str) -> Any:
        where = self._cluster.oracle
        request = urllib.request.Request(
            where["url"] + path, headers={"Authorization": f"Bearer {where['token']}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())
