"""A small hall in a process of its own, in virtual time, and all that it says in one played day.

`play` starts the hall, does the same things in the same order, and gives back everything that was
answered: by devices, by the building's Modbus units and its broker, by the oracle. What may differ
(ports) is written as a word.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import ModbusTcpClient

from iolaus.sim.building.registers import load_map
from iolaus.sim.firmware.examples import example

V1 = "/redfish/v1"
PATIENCE_S = 360.0
USER, PASSWORD = "root", "iolaus-sim"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  seed: %d
  network: {cidr: 127.66.0.0/16}
  latency: {median_ms: 20, sigma: 0.5}
  racks:
    wet:
      place:
        - {persona: orv3-shelf, u: 1}
        - {persona: orv3-bbu, u: 3, name: bbu}
        - {persona: gb300-tray, u: 8}
    dry:
      place:
        - {persona: rack-pdu}
        - {persona: xe9680-h200, u: 4}
  halls:
    - name: h1
      rows:
        - name: a
          racks: [{template: wet}, {template: dry}]
          equip: [{persona: cdu-row}, {persona: leak-ropes}]
"""
RULES = """
- {id: flaky, effect: status, status: 503, select: {path: "*/Sensors/*", probability: 0.2}}
- {id: slow, effect: latency, seconds: 3, sigma: 0.4, select: {device: h1-r01-u08}}
"""
SCRIPT = """
apiVersion: iolaus.dev/v1
kind: FaultScript
metadata: {name: day}
steps:
  - {at: 5s, break: leak-tray, select: h1-r01-u08, for: 60s, with: {amount: 0.5}}
  - {at: 20s, break: silent, select: h1-r01-ps1, id: dark}
  - {at: 20s, break: clock-off, select: h1-r02-u04}
  - {at: 40s, mend: dark}
"""
Said = dict[str, Any]


class Player:
    def __init__(self, line: Mapping[str, Any]) -> None:
        self.line, self.said = line, dict[str, Any]()
        self._heads: dict[str, str] = {}

    def played(self) -> Said:
        before = self._messages()
        viewer = self._viewer()
        self._note("devices", self.oracle("GET", "/devices"))
        self._walk("at first")
        self._orders()
        for number, seconds in enumerate((7.5, 30.0, 0.25, 40.0)):
            self.advance(seconds)
            self._note(f"truth {number}", self.oracle("GET", "/truth"))
            for task in (1, 2, 3):
                place = f"{V1}/TaskService/Tasks/{task}"
                self._note(f"task {task} {number}", self.get("h1-r01-u08", place))
        journal = f"{V1}/Managers/BMC_0/LogServices/Journal/Entries"
        for entry in self.get("h1-r01-u08", journal)[2]["Members"]:
            if "AdditionalDataURI" in entry:
                self._note("archive", self.get("h1-r01-u08", entry["AdditionalDataURI"]))
        self._note("measured", self.get("h1-r01-u08", f"{V1}/TaskService/TaskMonitors/2"))
        self._walk("at last")
        for name in self.hosts:
            self._note(f"truth of {name}", self.oracle("GET", f"/truth/{name}"))
        self._registers()
        self.said["messages"] = viewer.heard(self._messages() - before)
        self._note("links", self.oracle("POST", "/beside/building/links"))
        return self.said

    def _orders(self) -> None:
        """Writes of many kinds; their work goes on in virtual time."""
        login = {"UserName": USER, "Password": PASSWORD}
        node, other = "h1-r01-u08", "h1-r02-u04"
        self._note("login", self.post(node, f"{V1}/SessionService/Sessions", login))
        self._note(
            "refused", self.post(node, f"{V1}/SessionService/Sessions", {**login, "Password": "x"})
        )
        reset = {"ResetType": "ForceRestart"}
        for name in (node, other):
            (system, *_) = self.members(name, f"{V1}/Systems")
            self._note(
                f"reset {name}", self.post(name, f"{system}/Actions/ComputerSystem.Reset", reset)
            )
        collect = "Managers/BMC_0/LogServices/Journal/Actions/LogService.CollectDiagnosticData"
        wanted = {"DiagnosticDataType": "Manager"}
        self._note("collect", self.post(node, f"{V1}/{collect}", wanted))
        measure = "HGX_ERoT_GPU_0/Actions/ComponentIntegrity.SPDMGetSignedMeasurements"
        asked = {"Nonce": "5a" * 32, "SlotId": 0}
        self._note("measure", self.post(node, f"{V1}/ComponentIntegrity/{measure}", asked))
        package = example("gb300-tray", {"HGX_FW_GPU_0": "97.20.01"})
        push = self.get(node, f"{V1}/UpdateService")[2]["HttpPushUri"]
        self._note("push", self.send(node, "POST", push, package, "application/octet-stream"))
        told = {"Destination": "http://127.0.0.1:9/none", "Protocol": "Redfish"}
        self._note("subscribe", self.post(other, f"{V1}/EventService/Subscriptions", told))
        self._note("event", self.oracle("POST", f"/devices/{other}/events", {}))
        self._note("restart", self.oracle("POST", "/devices/h1-a-cdu1/restart", {}))

    # devices

    @property
    def hosts(self) -> dict[str, str]:
        rows = json.loads(self.oracle("GET", "/devices"))["devices"]
        return {row["name"]: row["address"] for row in rows}

    def get(self, name: str, path: str) -> tuple[int, Any, Any]:
        return self.send(name, "GET", path)

    def post(self, name: str, path: str, body: object) -> tuple[int, Any, Any]:
        return self.send(name, "POST", path, json.dumps(body).encode(), "application/json")

    def send(
        self, name: str, method: str, path: str, body: bytes = b"", kind: str = ""
    ) -> tuple[int, Any, Any]:
        """Status, headers and body; the body decoded where it is JSON."""
        url = urlsplit(self._heads.get(name) or self._heads.setdefault(name, self.hosts[name]))
        link = http.client.HTTPConnection(url.hostname or "", url.port, timeout=PATIENCE_S)
        headers = {"Authorization": BASIC} | ({"Content-Type": kind} if kind else {})
        try:
            link.request(method, path, body=body or None, headers=headers)
            answer = link.getresponse()
            data = answer.read()
        finally:
            link.close()
        found = data.decode("latin-1")
        if found and "json" in answer.headers.get("Content-Type", ""):
            found = json.loads(data)
        return answer.status, sorted(answer.headers.items()), found

    def members(self, name: str, path: str) -> list[str]:
        return [link["@odata.id"] for link in self.get(name, path)[2]["Members"]]

    def _walk(self, when: str) -> None:
        """Every resource of every device, found by the links."""
        for name in self.hosts:
            todo = [V1]
            for path in todo:
                status, headers, body = self.get(name, path)
                self._note(f"{when}: {name} {path}", (status, headers, body))
                todo += [link for link in dict.fromkeys(_links(body)) if link not in todo]

    # the oracle

    def oracle(self, method: str, path: str, body: object = None) -> str:
        where = urlsplit(self.line["oracle"]["url"])
        link = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE_S)
        headers = {"Authorization": f"Bearer {self.line['oracle']['token']}"}
        try:
            link.request(method, path, body=json.dumps(body or {}), headers=headers)
            answer = link.getresponse()
            said = answer.read().decode()
        finally:
            link.close()
        assert answer.status == 200, said
        return said

    def advance(self, seconds: float) -> None:
        self._note("advanced", self.oracle("POST", "/beside/clock/advance", {"seconds": seconds}))

    def _note(self, about: str, said: object) -> None:
        plain = json.dumps(said).replace(f":{self.line['port']}", ":PORT")
        assert about not in self.said or about == "advanced", f"{about} twice"
        self.said[about] = plain

    # the building

    def _messages(self) -> int:
        """What the building has said so far; all of it, as nobody moves time."""
        self.oracle("POST", "/beside/clock/advance", {"seconds": 0})
        links = json.loads(self.oracle("POST", "/beside/building/links"))
        return int(links["bms"]["messages"]) + int(links["grid"]["messages"])

    def _viewer(self) -> Viewer:
        told = self.line["building"]
        password = json.loads(Path(told["credentials"]).read_text())["mqtt"]["viewer"]
        return Viewer(told["mqtt"], password)

    def _registers(self) -> None:
        where = json.loads((Path(self.line["building"]["folder"]) / "building.json").read_text())
        for name, thing in where["things"].items():
            if "modbus" not in thing:
                continue
            host, _, port = thing["modbus"].rpartition(":")
            client = ModbusTcpClient(host, port=int(port), timeout=PATIENCE_S)
            assert client.connect()  # type: ignore[no-untyped-call]
            for number, kind in thing["units"].items():
                for reg in load_map(kind).registers:
                    found = client.read_holding_registers(
                        reg.at, count=reg.count, device_id=int(number)
                    )
                    self._note(f"{name} {number} {reg.name}", [found.isError(), found.registers])
            client.close()  # type: ignore[no-untyped-call]


class Viewer:
    """Listens to all that the building publishes, each once and as it comes; what the broker kept
    of the time before is passed over."""

    def __init__(self, where: str, password: str) -> None:
        host, _, port = where.rpartition(":")
        self._said: dict[str, list[str]] = {}
        self._count = 0
        self._news, self._ready = threading.Condition(), threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set("viewer", password)
        self._client.on_message = self._note
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_connect = lambda client, *_: client.subscribe("BMS/v1/PUB/#", qos=0)
        self._client.connect(host, int(port))
        self._client.loop_start()
        assert self._ready.wait(PATIENCE_S)

    def _note(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        del client, data
        if message.retain:
            return
        with self._news:
            self._count += 1
            self._said.setdefault(message.topic, []).append(message.payload.decode())
            self._news.notify()

    def heard(self, count: int) -> Mapping[str, list[str]]:
        """When so many have come: what was said, by topic."""
        with self._news:
            assert self._news.wait_for(lambda: self._count >= count, PATIENCE_S), self._count
        self._client.disconnect()
        self._client.loop_stop()
        return dict(sorted(self._said.items()))


@contextmanager
def hall(
    folder: Path, *, seed: int, hash_seed: int, rules: str = RULES, script: str = SCRIPT
) -> Iterator[Player]:
    """A hall of this seed; `hash_seed` is the process's own luck, which may not matter."""
    files = {"site.yaml": SITE % seed, "rules.yaml": rules, "script.yaml": script}
    for name, text in files.items():
        (folder / name).write_text(text)
    command = [
        sys.executable, "-m", "iolaus", "sim", "hall", str(folder / "site.yaml"), "--http",
        "--port", "0", "--virtual", "--building", "--faults", str(folder / "rules.yaml"),
        "--script", str(folder / "script.yaml"),
    ]  # fmt: skip
    own = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=own) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "it did not start"
            yield Player(json.loads(line))
        except BaseException as wrong:
            process.terminate()
            wrong.add_note(process.communicate(timeout=PATIENCE_S)[1][-4000:])
            raise
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)


def _links(body: Any) -> Iterator[str]:
    if isinstance(body, dict):
        for key, value in body.items():
            if key == "@odata.id" and isinstance(value, str):
                path = value.partition("#")[0]
                if path.startswith(V1):
                    yield path
            else:
                yield from _links(value)
    elif isinstance(body, list):
        for value in body:
            yield from _links(value)
