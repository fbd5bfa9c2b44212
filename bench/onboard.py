"""A delivery taken on unattended: `python -m bench.onboard [N] [OPTION...]`.

N factory-fresh machines of three makes over the wire, each with a factory password of its own, and
W of them wrong: another serial, another model, the identity of another machine, silence half-way.
A server of its own process takes them on once a person has approved the list, and is killed by
SIGKILL when so and so many have come to each stage; then one machine is retired, and the server is
killed while that goes on. What counts is judged at the devices and in the sealed store: every right
one is at its baseline with a password and a certificate of ours, each given once; every wrong one
stands with its reason and was never written to; the retired one shows no trace of us, nor do we
hold one of it but the signed record. Exit code 1 where anything is not as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from tests.fleet.build import baseline
from tests.recovery.delivery import CA, Truck, truck
from tests.survival.stage import grounded

from bench.ending import run_to_the_end
from iolaus.app.house import HouseOptions, open_house
from iolaus.app.listening import make_server
from iolaus.fleet.certify import make_authority
from iolaus.kernel.clock import WallClock
from iolaus.kernel.ports import free_port
from iolaus.model.authority import Words
from iolaus.model.expected import KeptExpected
from iolaus.sim.catalogue.truth import device_truth
from iolaus.sim.device import Device
from iolaus.store.secrets import Secrets
from iolaus.store.state import open_state

HOWS = ("serial", "model", "clone", "silent")
DONE = "HandedOver"
PATIENCE_S = 3000.0
LOOK_S = 0.25
ASK_S = 2.0
"""The hall is next door and may be looked at often; the server has work to do."""
Rows = dict[str, dict[str, Any]]


async def prepare(folder: Path, lorry: Truck) -> None:
    """What an operator has done before the lorry comes."""
    clock = WallClock()
    state = open_state(folder / "state", clock=clock)
    await state.start()
    state.secrets.put_all(
        {f"factory.{d.name}": ("root", lorry.factory[d.name]) for d in lorry.devices}
    )
    made = make_authority(CA, words=Words(), days=3650, now=clock.now())
    state.authorities.put(CA, certificate=made.certificate, key=made.key, days=397)
    wanted = baseline(
        "fresh",
        labels={"role": "train"},
        bmc={"ntp": ["10.0.0.1"]},
        rollout={"waves": [{"name": "all"}], "limits": {"bricks": 10}},
    )
    await state.baselines.put(wanted, at=0.0, by="bench", source="bench")
    document = lorry.document(authority=CA, baseline="fresh", approval="list")
    kept = KeptExpected(document=document, generation=1, at=clock.now(), by="bench")
    await state.expected.put({document.name: kept})
    await state.close()


async def serve(folder: Path, port: int) -> None:
    """A server on the folder's state, until it is killed."""
    options = HouseOptions(state_dir=folder / "state", demo=True, listen=f"127.0.0.1:{port}")
    async with open_house(options) as house:
        house.begin_all(spread=True)
        await make_server(house).serve()


class Server:
    """One after another, on the same state. `cpu_s` is what those that ended have used."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession) -> None:
        self._folder, self._http = folder, http
        self.kills, self.crashes, self.cpu_s = 0, 0, 0.0
        self._port = free_port()
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        words = ("-m", "bench.onboard", "--serve", str(self._folder), str(self._port))
        with (self._folder / "server.log").open("ab") as said:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable, *words, stdout=said, stderr=said
            )

    async def kill(self) -> None:
        assert self._child is not None, "it was started"
        with suppress(ProcessLookupError):
            self._child.kill()
        await self._gone()
        self.kills += 1

    async def stop(self) -> None:
        if self._child is None or self._child.returncode is not None:
            return
        self._child.terminate()
        try:
            async with asyncio.timeout(20.0):
                await self._gone()
        except TimeoutError:
            await self.kill()

    async def keep_up(self) -> None:
        """Start it again where it ended by itself, as whoever supervises it would."""
        if self._child is not None and self._child.returncode is not None:
            tail = (self._folder / "server.log").read_text(errors="replace").splitlines()[-6:]
            print("the server ended by itself:", *tail, sep="\n  ", flush=True)
            self.crashes += 1
            await asyncio.sleep(1.0)
            await self.start()

    async def _gone(self) -> None:
        assert self._child is not None, "it was started"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        await self._child.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_s += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Nothing while it starts."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}"
        try:
            async with self._http.request(method, url, json=body) as answer:
                return dict(await answer.json()) if answer.status < 300 else {}
        except (aiohttp.ClientError, ValueError):
            return {}

    async def rows(self) -> Rows:
        """Candidates by address; none while it starts."""
        found = await self.ask("GET", "candidates?limit=10000")
        rows = [each["status"] for each in found.get("items", ())]
        return {row["address"]: row for row in rows if row["address"]}


class Play:
    """A delivery under way."""

    def __init__(self, lorry: Truck, server: Server, kills: bool) -> None:
        self._lorry, self._server, self._last = lorry, server, ""
        self._began = time.monotonic()
        self._due = _marks(len(lorry.right)) if kills else {}
        self._silent = {n for n, how in lorry.wrong.items() if how == "silent"}
        self._asked_at = -ASK_S
        self.killed_at: list[str] = []
        self.reached: dict[str, dict[str, float]] = defaultdict(dict)

    async def run(self) -> Rows:
        """Until all are settled."""
        rows: Rows = {}
        await self._server.start()
        while self._left_s() > 0 and not (self._settled(rows) and not self._due):
            await asyncio.sleep(LOOK_S)
            await self._server.keep_up()
            self._fall_silent()
            if time.monotonic() - self._asked_at < ASK_S:
                continue
            rows = await self._server.rows() or rows
            self._asked_at = time.monotonic()
            self._tell(rows)
            if any(row["reason"] == "AwaitingApproval" for row in rows.values()):
                await self._server.ask("POST", "expected/delivery/approve", {})
            await self._kill_where_due(rows)
        return rows

    def _left_s(self) -> float:
        return self._began + PATIENCE_S - time.monotonic()

    def _tell(self, rows: Rows) -> None:
        now = time.monotonic() - self._began
        for address, row in rows.items():
            for stage in STAGES[: _stage(row["state"]) + 1]:
                self.reached[stage].setdefault(address, now)
        told = dict(Counter(f"{r['state']}/{r['reason']}" for r in rows.values()))
        if told and str(told) != self._last:
            self._last = str(told)
            print(f"{now:6.1f} s  {told}", flush=True)

    def _fall_silent(self) -> None:
        """Half-way: as soon as its first password is another."""
        for name in sorted(self._silent):
            device = self._lorry.named(name)
            if device.gate.accounts["root"].password != self._lorry.factory[name]:
                device.down("silence")
                self._silent.discard(name)

    async def _kill_where_due(self, rows: Rows) -> None:
        """Where a stage is reached by as many as its mark says."""
        for stage, mark in self._due.items():
            here = STAGES.index(stage)
            if sum(_stage(r["state"]) >= here for r in rows.values()) >= mark:
                del self._due[stage]
                self.killed_at.append(f"{stage} ({mark})")
                await self._server.kill()
                await self._server.start()
                return

    def _settled(self, rows: Rows) -> bool:
        lorry = self._lorry
        right = all(rows.get(d.address, {}).get("state") == DONE for d in lorry.right)
        return right and all(rows[lorry.named(n).address].get("stands") for n in lorry.wrong)

    async def retire(self, device: Device) -> dict[str, Any]:
        """One machine, the server killed on the way; its record, empty where there is none."""
        order = {
            "asked": {"kind": "retire", "arguments": {"erase": True}},
            "selector": device.name,
            "rules": "",
            "batch": None,
        }
        made = await self._server.ask("POST", "plans", {"spec": order})
        plan = str(made.get("metadata", {}).get("name", ""))
        await self._server.ask("POST", f"plans/{plan}/apply", {})
        ours, struck = device.gate.accounts["root"].password, not self.killed_at
        while self._left_s() > 0:
            await asyncio.sleep(0.5)
            await self._server.keep_up()
            if not struck and device.gate.accounts["root"].password != ours:
                struck = True
                self.killed_at.append("its password is the maker's again")
                await self._server.kill()
                await self._server.start()
            found = (await self._server.ask("GET", "retirements")).get("items", ())
            if found:
                return dict(found[0]["status"])
        return {}


STAGES = ("Appeared", "Identified", "Claimed", "Credentialed", "Certified", "AtBaseline", DONE)


def _stage(state: str) -> int:
    """How far on the way; -1 off it."""
    return STAGES.index(state) if state in STAGES else -1


def _marks(count: int) -> dict[str, int]:
    """At each stage a server dies when so many have come to it."""
    chance = random.Random(7)
    return {stage: chance.randrange(1, max(2, count * 3 // 4)) for stage in STAGES}


def pace(reached: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """When the first, the middle one and the last came to each stage."""
    found = {}
    for stage in STAGES:
        if times := sorted(reached.get(stage, {}).values()):
            middle = times[len(times) // 2]
            found[stage] = f"{times[0]:.0f} / {middle:.0f} / {times[-1]:.0f} s"
    return found


def traces(secrets: Secrets, device: Device, *, factory: str, ours: str, before: str) -> list[str]:
    """What is left of us at a machine that was retired, and here of it."""
    wrong = []
    shown = str({path: device.get(path) for path in device.paths()})
    if device.gate.accounts.keys() != {"root"} or device.gate.accounts["root"].password != factory:
        wrong.append("its accounts are not the maker's")
    for word, what in ((ours, "our password"), ("10.0.0.1", "our NTP server"), (CA, "our CA")):
        if word in shown:
            wrong.append(f"{what} still stands on it")
    entries = [device.get(p) or {} for p in device.paths() if "/Entries/" in p]
    if old := [e.get("Message") for e in entries if str(e.get("Created", "9")) < before]:
        wrong.append(f"its logs still tell of before: {old[:3]}")
    if secrets.fact_of(device.address) is not None:
        wrong.append("its login is still kept here")
    offering = {p for p in device.paths() if "#Drive.SecureErase" in str(device.get(p))}
    if unerased := offering - set(device_truth(device).get("erased", ())):
        wrong.append(f"{len(unerased)} of its drives were never erased")
    return [f"{device.name} (retired): {each}" for each in wrong]


def judge(secrets: Secrets, lorry: Truck, rows: Rows, *, retired: Device) -> list[str]:
    """What is not as it must be, at the devices and in the store."""
    wrong = []
    for device in lorry.right:
        own = secrets.own(device.address, name=f"factory.{device.name}")
        if rows.get(device.address, {}).get("state") != DONE:
            wrong.append(f"{device.name} is {rows.get(device.address, {}).get('state')}")
        if device is retired:
            continue
        if own is None or own.login.password != device.gate.accounts["root"].password:
            wrong.append(f"{device.name}: the password that is kept does not open it")
        elif own.number != 1:
            wrong.append(f"{device.name} was given {own.number} passwords")
    for name, how in lorry.wrong.items():
        row = rows.get(lorry.named(name).address, {})
        print(f"  {name} ({how}): {row.get('state')}/{row.get('reason')}: {row.get('message')}")
        if not row.get("stands"):
            wrong.append(f"{name} ({how}) does not stand")
        now = lorry.named(name).gate.accounts["root"].password
        if how != "silent" and now != lorry.factory[name]:
            wrong.append(f"{name} ({how}) was written to")
    return wrong


async def bench(count: int, wrong: int, *, kills: bool, log: Path | None) -> int:
    step = max(1, count // max(1, wrong))
    spoilt = {f"n{n * step + n % 3:03}": HOWS[n % len(HOWS)] for n in range(wrong)}
    lorry = truck(count, spoilt)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with grounded(folder, *lorry.devices), aiohttp.ClientSession() as http:
            await prepare(folder, lorry)
            server, began, cpu = Server(folder, http), time.monotonic(), time.process_time()
            play = Play(lorry, server, kills)
            try:
                rows = await play.run()
                took = time.monotonic() - began
                asked = sum(d.counters.requests for d in lorry.devices)
                first = lorry.right[0]
                ours = first.gate.accounts["root"].password
                retired_at = datetime.now(UTC).isoformat(timespec="seconds")
                record = await play.retire(first)
            finally:
                await server.stop()
                if log is not None:
                    shutil.copy(folder / "server.log", log)
            hall_s = time.process_time() - cpu
        state = open_state(folder / "state")
        bad = judge(state.secrets, lorry, rows, retired=first)
        factory = lorry.factory[first.name]
        bad += traces(state.secrets, first, factory=factory, ours=ours, before=retired_at)
        await state.close()
    for item in record.get("items", ()):
        print(f"  {item['outcome']:12} {item['what']}: {item['detail']}")
    if not record or any(each["outcome"] == "failed" for each in record["items"]):
        bad.append(f"{first.name} was not retired: {record.get('state', 'no record')}")
    if server.crashes:
        bad.append(f"the server ended by itself {server.crashes} times")
    summary = {
        "machines": count,
        "wrong": wrong,
        "handed_over": sum(row["state"] == DONE for row in rows.values()),
        "killed_at": play.killed_at,
        "seconds": round(took, 1),
        "first_middle_last": pace(play.reached),
        "requests_a_machine": round(asked / count),
        "and_retiring_s": round(time.monotonic() - began - took, 1),
        "drives_erased": sum(device_truth(first).get("erased", {}).values()),
        "server_cpu_s": round(server.cpu_s, 1),
        "hall_cpu_s": round(hall_s, 1),
        "bad": len(bad),
    }
    print(json.dumps(summary, indent=1))
    print("\n".join(bad))
    return 1 if bad else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=300)
    parser.add_argument("--wrong", type=int, help="10 of them, or a third of a few")
    parser.add_argument("--no-kills", action="store_true")
    parser.add_argument("--log", type=Path, help="where what the servers said is copied to")
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"))
    given = parser.parse_args()
    if given.serve:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(Path(given.serve[0]), int(given.serve[1])))
        return 0
    wrong = min(10, given.count // 3) if given.wrong is None else given.wrong
    return run_to_the_end(bench(given.count, wrong, kills=not given.no_kills, log=given.log))


if __name__ == "__main__":
    sys.exit(main())
