"""New passwords for a whole hall that misbehaves: `python -m bench.rotate [N] [--kills K]`.

N machines of several makes, over the wire: all lock an account after five failed logins, some
say so and some do not; a part answers late, a part loses the answer to the very write, a part
judges a login when nobody waits for the answer any more, and a part goes back to its maker's
accounts as after a flash, in the middle of it all. A real `iolaus serve`
gives all of them new passwords and is killed by SIGKILL while it does. Then whoever fell back is
given one again, as an operator would. What counts is judged at the devices and in the sealed store.
Exit code 1 where anything is not as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from iolaus.kernel.ports import free_port
from iolaus.model.endpoint import Mode, Target
from iolaus.sim.auth import Account
from iolaus.sim.device import Device
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import parse_site
from iolaus.sim.manners.privileges import account_of
from iolaus.sim.outcome import Outcome
from iolaus.sim.rules import parse_rules
from iolaus.sim.server import Hall
from iolaus.store.state import open_state

FIRST, FACTORY = "iolaus-sim", "factory-default"
MAKES = ("dl365-cpu", "dl365-cpu", "dl365-cpu", "xe9680-h200", "sys-hgx-b200", "g893-mi325x")
SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: rotate}
spec:
  seed: 11
  network: {cidr: 127.84.0.0/16}
  devices:
%s
"""
ACCOUNTS = {"method": ["PATCH", "POST"], "path": "*/AccountService/Accounts*"}
LATE = {"effect": "latency", "drip_bytes_per_s": 100.0, "times": 1, "select": ACCOUNTS}
LOST = {"effect": "die", "how": "reset", "times": 1, "select": ACCOUNTS}
LOGIN = {"method": ["POST"], "path": "*/Sessions"}
SLOW = {"effect": "latency", "seconds": 3.0, "times": 3, "select": {"path": "*/Sessions"}}
HUNG = {"effect": "latency", "seconds": 40.0, "times": 1, "select": LOGIN}
PATIENCE_S = 1500.0
Json = dict[str, Any]


def machines(count: int) -> list[Device]:
    rows = "\n".join(
        f"    - {{name: n{number:03}, persona: {MAKES[number % len(MAKES)]}}}"
        for number in range(count)
    )
    return [seat.device() for seat in build_hall(parse_site(SITE % rows, source="-"))]


class Watch:
    """What happens at the devices, as it happens: who is locked is noted and never forgiven."""

    def __init__(self, hall: Hall) -> None:
        self.hall, self.locked, self.fell = hall, set[str](), set[str]()
        self.most_failures = 0

    def misbehave(self) -> None:
        for number, device in enumerate(self.hall.devices):
            device.options = replace(device.options, lockout_after=5, lockout_s=1e9)
            if number % 3:
                _say_threshold(device, 5)
            rule = {1: LATE, 2: LOST, 3: SLOW, 4: HUNG}.get(number % 5)
            if rule is not None:
                for each in parse_rules([rule], source="bench"):
                    self.hall.places[device.name].front.faults.arm(each)

    async def look(self) -> None:
        """Until it is cancelled."""
        while True:
            for device in self.hall.devices:
                accounts = device.gate.accounts.values()
                if any(account.locked_until > 0.0 for account in accounts):
                    self.locked.add(device.name)
                most = max(account.failures for account in accounts)
                self.most_failures = max(self.most_failures, most)
            await asyncio.sleep(0.2)

    def flash(self, device: Device) -> None:
        """The accounts are the maker's again: of some the first one, of some another."""
        if len(self.fell) % 2:
            device.gate.accounts = {"root": Account(FIRST)}
        else:
            device.patch(account_of(device, "root"), {"UserName": "admin"})
            device.gate.accounts = {"admin": Account(FACTORY)}
        device.gate.drop_all()
        self.fell.add(device.name)

    async def flash_some(self, every: int) -> None:
        """One in `every`, at some time while passwords are given."""
        dice = random.Random(7)
        due = [d for n, d in enumerate(self.hall.devices) if n % every == 0]
        while due:
            await asyncio.sleep(dice.uniform(0.1, 0.6))
            self.flash(due.pop(dice.randrange(len(due))))

    async def until_new(self, most: int) -> None:
        while self.new() < most:
            await asyncio.sleep(0.05)

    def new(self) -> int:
        return sum(not _takes_first(device) for device in self.hall.devices)


def _takes_first(device: Device) -> bool:
    account = device.gate.accounts.get("root")
    return account is None or account.password == FIRST


def _say_threshold(device: Device, threshold: int) -> None:
    path = "/redfish/v1/AccountService"
    device.patch(path, {"AccountLockoutThreshold": threshold, "AccountLockoutDuration": 300})


class Product:
    """A real server on a state directory, and its API as an operator uses it."""

    def __init__(self, state_dir: Path, http: aiohttp.ClientSession) -> None:
        self._state_dir, self._http = state_dir, http
        self._child: asyncio.subprocess.Process | None = None
        self._url = ""

    async def start(self) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        words = ("serve", "--listen", f"127.0.0.1:{port}", "--state", str(self._state_dir))
        log = (self._state_dir / "bench.log").open("ab")
        self._child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "iolaus", *words), stdout=log, stderr=log
        )
        log.close()
        await self.until(self._answers, "the server answers")

    async def end(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.returncode is None:
            self._child.send_signal(number)
            await self._child.wait()

    async def ask(self, method: str, path: str, body: Json | None = None) -> Json:
        token = (self._state_dir / "operator.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self._url}/api/v1{path}"
        async with self._http.request(method, url, json=body, headers=headers) as answer:
            found: Json = await answer.json(content_type=None)
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {found}")
            return found

    async def until(self, check: Callable[[], Any], what: str) -> Any:
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            if found := await check():
                return found
            await asyncio.sleep(0.5)
        raise TimeoutError(f"not in {PATIENCE_S:.0f} s: {what}")

    async def _answers(self) -> bool:
        try:
            return bool(await self.ask("GET", "/summary"))
        except (OSError, aiohttp.ClientError, RuntimeError):
            return False

    async def endpoints(self) -> Counter[str]:
        found: Counter[str] = Counter()
        after = ""
        while True:
            page = await self.ask("GET", f"/endpoints?limit=500&continue={after}")
            for each in (item["status"] for item in page["items"]):
                found[str(each["state"] if each["assets"] else "not read")] += 1
            after = page["metadata"]["continue"]
            if not after:
                return found

    async def credentials(self) -> list[Json]:
        return list((await self.ask("GET", "/credentials"))["items"])

    async def rotate(self, selector: str, tries: int = 10) -> str:
        """Asked for again where the hall moved between the plan and its application."""
        spec = {"asked": {"kind": "rotate"}, "selector": selector, "batch": 32}
        while True:
            made = (await self.ask("POST", "/plans", {"spec": spec}))["status"]
            print(f"  plan {made['name']}: {made['fates']}", flush=True)
            try:
                await self.ask("POST", f"/plans/{made['name']}/apply", {})
            except RuntimeError as moved:
                tries -= 1
                if "WorldMoved" not in str(moved) or not tries:
                    raise
                await asyncio.sleep(5.0)
            else:
                return str(made["name"])

    async def kept_going(self, name: str) -> None:
        """Until it is cancelled: whoever falls back pauses the roll-out, and somebody resumes."""
        while True:
            row = (await self.ask("GET", f"/rollouts/{name}"))["status"]
            if row["state"] == "paused":
                await self.ask("POST", f"/rollouts/{name}/resume", {})
            await asyncio.sleep(2.0)

    async def over(self, name: str, resumes: int = 60) -> Json:
        """The roll-out when it is over; resumed where it stopped for a person."""
        while True:
            row = (await self.ask("GET", f"/rollouts/{name}"))["status"]
            if row["state"] == "paused" and not row["counts"].get("running"):
                if not resumes:
                    return dict(row)
                resumes -= 1
                for node in row["failures"][:3]:
                    print(f"  paused, {node['name']}: {node['reason'][:140]}", flush=True)
                await self.ask("POST", f"/rollouts/{name}/resume", {})
                await asyncio.sleep(2.0)
            elif row["state"] in ("done", "aborted", "undone"):
                return dict(row)
            await asyncio.sleep(1.0)


async def prepare(state_dir: Path, devices: Sequence[Device]) -> None:
    state = open_state(state_dir)
    await state.start()
    state.secrets.put("hall", user="root", password=FIRST)
    state.secrets.put("maker", user="admin", password=FACTORY)
    state.secrets.recover_with("default", "maker")
    for device in devices:
        state.facts.put_target(
            Target(
                address=device.address,
                name=device.name,
                labels={"hall": "bench"},
                credential="hall",
                mode=Mode.MANAGED,
            )
        )
    await state.close()


@asynccontextmanager
async def doing(*work: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def play(product: Product, watch: Watch, kills: int) -> None:
    """All of it; the state directory is let go at the end."""
    devices = watch.hall.devices
    began = time.monotonic()
    await product.start()

    async def read() -> bool:
        return (await product.endpoints())["reachable"] >= len(devices)

    await product.until(read, "every machine is read")
    print(f"read {len(devices)} machines in {time.monotonic() - began:.0f} s", flush=True)
    watch.misbehave()
    began = time.monotonic()
    name = await product.rotate("hall=bench")
    async with doing(watch.look(), watch.flash_some(5)):
        for number in range(kills):
            part = (number + 1) * len(devices) // (kills + 2)
            async with doing(product.kept_going(name)):
                await watch.until_new(part)
            await product.end(signal.SIGKILL)
            print(f"killed while {watch.new()} of {len(devices)} had a new one", flush=True)
            await product.start()
        row = await product.over(name)
        print(
            f"first: {row['state']}, {row['counts']}, {time.monotonic() - began:.0f} s", flush=True
        )
        await again(product, watch)
    await product.end(signal.SIGTERM)
    print(f"all of it took {time.monotonic() - began:.0f} s", flush=True)


async def again(product: Product, watch: Watch) -> None:
    """Whoever fell back, or was left out, is given a new one, until nobody is left."""

    async def seen() -> bool:
        return (await product.endpoints())["reachable"] >= len(watch.hall.devices)

    for _ in range(4):
        await product.until(seen, "every machine lets us in")
        left = [c["endpoint"] for c in await product.credentials() if c["state"] != "own"]
        if not left:
            return
        print(f"again: {len(left)} that fell back or were left", flush=True)
        row = await product.over(await product.rotate(",".join(left)))
        print(f"again: {row['state']}, {row['counts']}", flush=True)


def judged(state_dir: Path, watch: Watch) -> bool:
    """Prints every count; whether all are as they must be."""
    devices, state = watch.hall.devices, open_state(state_dir)
    sealed = (state_dir / "secrets").read_bytes()
    found: Counter[str] = Counter()
    for device in devices:
        own = state.secrets.own(device.address, name="hall")
        account = device.gate.accounts.get("root")
        login = own.login if own and own.number else None
        right = login is not None and account is not None and login.password == account.password
        found["rotated"] += account is not None and account.password not in (FIRST, FACTORY)
        found["new in the store"] += right
        found["in plain on the disk"] += bool(account and account.password.encode() in sealed)
        found["locked"] += device.name in watch.locked
        found["old password refused"] += isinstance(device.gate._verify("root", FIRST), Outcome)
        found["old one shown to be dead"] += bool(own and own.old == "refused")
        found["one under way"] += bool(own and own.candidate)
    passwords = {a.password for d in devices for n, a in d.gate.accounts.items() if n == "root"}
    must = {
        "rotated": len(devices),
        "new in the store": len(devices),
        "old password refused": len(devices),
        "locked": 0,
        "in plain on the disk": 0,
        "one under way": 0,
    }
    found["passwords of their own"], must["passwords of their own"] = len(passwords), len(devices)
    found["fell back meanwhile"] = len(watch.fell)
    print(f"failed logins in a row       {watch.most_failures:>5} at most at one account, of 5")
    for what, count in found.items():
        wrong = "" if must.get(what, count) == count else f"   WRONG, must be {must[what]}"
        print(f"{what:28}{count:>6} of {len(devices)}{wrong}")
    return all(found[what] == count for what, count in must.items())


async def run(count: int, kills: int, keep: Path | None) -> bool:
    hall = Hall(machines(count), tls=False)
    watch = Watch(hall)
    with tempfile.TemporaryDirectory(prefix="iolaus-bench-") as folder:
        state_dir = (keep or Path(folder)) / "state"
        await hall.start()
        product = None
        try:
            await prepare(state_dir, hall.devices)
            async with aiohttp.ClientSession() as http:
                product = Product(state_dir, http)
                await play(product, watch, kills)
            return judged(state_dir, watch)
        finally:
            if product is not None:
                await product.end(signal.SIGKILL)
            await hall.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.rotate")
    parser.add_argument("machines", type=int, nargs="?", default=500)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep the state directory below this one")
    given = parser.parse_args()
    os.environ.setdefault("IOLAUS_SIM_PASSWORD", FIRST)
    return 0 if asyncio.run(run(given.machines, given.kills, given.keep)) else 1


if __name__ == "__main__":
    sys.exit(main())
