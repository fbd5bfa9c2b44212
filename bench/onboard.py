"""A delivery taken on unattended: `python -m bench.onboard [N] [--wrong W] [--kills K]`.

N factory-fresh machines of three makes over the wire, each with a factory password of its own, and
W of them wrong: another serial, another model, the identity of another machine, silence half-way. A
server of its own process takes them on, and is killed by SIGKILL K times while it does. What counts
is judged at the devices and in the sealed store: every right one is at its baseline with a password
and a certificate of ours, each given once; every wrong one stands with its reason and was never
written to. Exit code 1 where anything is not as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from tests.fleet.build import baseline
from tests.recovery.delivery import CA, Truck, truck
from tests.survival.stage import grounded

from iolaus.app.house import HouseOptions, open_house
from iolaus.app.listening import make_server
from iolaus.fleet.certify import make_authority
from iolaus.kernel.clock import WallClock
from iolaus.kernel.ports import free_port
from iolaus.model.authority import Words
from iolaus.model.expected import KeptExpected
from iolaus.store.state import open_state

HOWS = ("serial", "model", "clone", "silent")
DONE = "HandedOver"
PATIENCE_S = 3000.0
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
    document = lorry.document(authority=CA, baseline="fresh")
    kept = KeptExpected(document=document, generation=1, at=clock.now(), by="bench")
    await state.expected.put({document.name: kept})
    await state.close()


async def serve(folder: Path, port: int) -> None:
    """A server on the folder's state, until it is killed."""
    options = HouseOptions(state_dir=folder / "state", demo=True, listen=f"127.0.0.1:{port}")
    async with open_house(options) as house:
        house.begin_all(spread=False)
        await make_server(house).serve()


class Server:
    """One after another, on the same state."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession) -> None:
        self._folder, self._http, self.kills = folder, http, 0
        self._port = free_port()
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        words = ("-m", "bench.onboard", "--serve", str(self._folder), str(self._port))
        self._child = await asyncio.create_subprocess_exec(
            sys.executable, *words, stderr=asyncio.subprocess.DEVNULL
        )

    async def kill(self) -> None:
        assert self._child is not None, "it was started"
        os.kill(self._child.pid, signal.SIGKILL)
        await self._child.wait()
        self.kills += 1

    async def stop(self) -> None:
        if self._child is not None and self._child.returncode is None:
            self._child.terminate()
            await self._child.wait()

    async def rows(self) -> Rows:
        """Candidates by address; none while it starts."""
        url = f"http://127.0.0.1:{self._port}/api/v1/candidates?limit=10000"
        try:
            async with self._http.get(url) as answer:
                items = (await answer.json())["items"] if answer.status == 200 else []
        except aiohttp.ClientError:
            return {}
        found = [each["status"] for each in items]
        return {row["address"]: row for row in found if row["address"]}


async def play(lorry: Truck, server: Server, kills: int) -> Rows:
    """Until all are settled; killed so many times on the way, and one falls silent on its."""
    began, due, last = time.monotonic(), _marks(len(lorry.devices), kills), ""
    silent = {n for n, how in lorry.wrong.items() if how == "silent"}
    await server.start()
    while time.monotonic() - began < PATIENCE_S:
        await asyncio.sleep(0.5)
        rows = await server.rows()
        for name in sorted(silent):
            device = lorry.named(name)
            if rows.get(device.address, {}).get("state") in ("Claimed", "Credentialed"):
                device.down("silence")
                silent.discard(name)
        told = dict(Counter(f"{r['state']}/{r['reason']}" for r in rows.values()))
        if str(told) != last and told:
            last = str(told)
            print(f"{time.monotonic() - began:6.1f} s  {told}", flush=True)
        progress = sum(_STEPS.get(r["state"], 0) for r in rows.values())
        if due and progress >= due[0]:
            due.pop(0)
            await server.kill()
            await server.start()
        if _settled(lorry, rows) and not due:
            return rows
    return await server.rows()


_STEPS = {"Claimed": 1, "Credentialed": 2, "Certified": 3, "AtBaseline": 4, DONE: 5}


def _marks(count: int, kills: int) -> list[int]:
    """How far the whole delivery is when the server is killed."""
    chance = random.Random(7)
    return sorted(chance.randrange(1, int(count * 4.5)) for _ in range(kills))


def _settled(lorry: Truck, rows: Rows) -> bool:
    right = all(rows.get(d.address, {}).get("state") == DONE for d in lorry.right)
    wrong = (rows.get(lorry.named(name).address, {}) for name in lorry.wrong)
    return right and all(row.get("stands") for row in wrong)


def judge(folder: Path, lorry: Truck, rows: Rows) -> list[str]:
    """What is not as it must be, at the devices and in the store."""
    state = open_state(folder / "state")
    wrong = []
    for device in lorry.right:
        own = state.secrets.own(device.address, name=f"factory.{device.name}")
        if rows.get(device.address, {}).get("state") != DONE:
            wrong.append(f"{device.name} is {rows.get(device.address, {}).get('state')}")
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


async def bench(count: int, wrong: int, kills: int) -> int:
    step = max(1, count // max(1, wrong))
    spoilt = {f"n{n * step + n % 3:03}": HOWS[n % len(HOWS)] for n in range(wrong)}
    lorry = truck(count, spoilt)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with grounded(folder, *lorry.devices), aiohttp.ClientSession() as http:
            await prepare(folder, lorry)
            server, began = Server(folder, http), time.monotonic()
            try:
                rows = await play(lorry, server, kills)
            finally:
                await server.stop()
            took = time.monotonic() - began
        bad = judge(folder, lorry, rows)
    done = sum(row["state"] == DONE for row in rows.values())
    summary = {
        "machines": count,
        "wrong": wrong,
        "handed_over": done,
        "kills": server.kills,
        "seconds": round(took, 1),
        "bad": len(bad),
    }
    print(json.dumps(summary))
    print("\n".join(bad))
    return 1 if bad else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=300)
    parser.add_argument("--wrong", type=int, default=10)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"))
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(Path(given.serve[0]), int(given.serve[1])))
        return 0
    return asyncio.run(bench(given.count, given.wrong, given.kills))


if __name__ == "__main__":
    sys.exit(main())
