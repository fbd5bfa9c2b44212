"""Nodes brought back: `python -m bench.recover [--only NAME...] [--list] [--logs DIR]`.

Forty scripts and more over ten classes of trouble, side by side in one hall, each in a rack of its
own with neighbours that work, held by a server of its own process over the real wire. What is the
matter must be told right; then a person asks for the way back, and it must end as the script says,
each step within its time. What counts is read at the devices: who runs, how often what was sent,
and that nothing that worked was written to. Times are of simulated machines that start in a moment
and of a policy in seconds (printed): they show how many rungs a class needs, and no real machine's
boot. Exit code 1 where anything is not as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from tests.survival.stage import Ground

from bench.ending import run_to_the_end
from bench.recover.ground import RUNGS_S, Json, Rack, Server, hall, serve, until
from bench.recover.judging import Kept, begun, late, left_behind, once, rungs, untouched
from bench.recover.scripts import BACK, LEFT, PERSON, SCRIPTS, SELF, Script
from bench.recover.striking import FACTORY, Striker
from iolaus.model.rollout import Entry
from iolaus.sim.ailments import alive
from iolaus.sim.device import Device

FAILURES = (TimeoutError, RuntimeError, AssertionError, LookupError, aiohttp.ClientError)


@dataclass(slots=True)
class Outcome:
    """`seen_s` from the blow to the right word, `took_s` from the order to its end; `wrong` is
    what is not as it must be."""

    script: Script
    seen_s: float = 0.0
    took_s: float = 0.0
    rungs: tuple[str, ...] = ()
    end: str = ""
    told: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Play:
    """One script in its rack."""

    def __init__(self, rack: Rack, folder: Path, ground: Ground, server: Server) -> None:
        self.rack, self.script, self._server = rack, rack.script, server
        self._kept = Kept(folder)
        self._striker = Striker(rack, ground, server)
        self.outcome = Outcome(rack.script)
        self._words: list[str] = []

    async def run(self) -> Outcome:
        try:
            await self._play()
        except FAILURES as error:
            self.outcome.wrong.append(f"{type(error).__name__}: {error}")
        return self.outcome

    async def _play(self) -> None:
        script, spent = self.script, self.rack.ill[: self.script.spent]
        await self._are(self.rack.nodes, "Well")
        await self._striker.prepare()
        for device in spent:
            await self._striker.strike([device])
            await self._are([device], script.verdict)
            await self._recover([device])
            await self._are([device], "Well")
            await self._striker.mend()
        ill = spent if script.again else self.rack.ill[script.spent :]
        began = time.monotonic()
        await self._striker.strike(ill)
        if script.ends == SELF:
            if script.verdict != "Well":
                await self._are(ill, script.verdict)
            await self._striker.before()
            await until(lambda: taken_up(ill), f"{script.name}: its other login is taken up")
            await self._are(ill, "Well")
            self.outcome.end, self.outcome.took_s = "by itself", time.monotonic() - began
            return
        await self._are(ill, script.verdict)
        self.outcome.seen_s = time.monotonic() - began
        await self._to_its_end(ill)
        self.outcome.wrong += once(self.rack, self._words)
        await self._striker.mend()

    async def _to_its_end(self, ill: Sequence[Device]) -> None:
        script, outcome = self.script, self.outcome
        if script.ends != LEFT:
            await until(lambda: self._as_it_is(ill), f"{script.name}: the plan sees what it is")
        began = time.monotonic()
        plan = await self._recover(ill)
        outcome.took_s = time.monotonic() - began
        ends = {node["state"] if plan["rollout"] else node["fate"] for node in plan["nodes"]}
        reasons = " / ".join(sorted({node["reason"] for node in plan["nodes"]}))
        outcome.end = f"{'/'.join(sorted(ends))}: {reasons}"
        wanted = {BACK: {"done"}, LEFT: {"no-op"}}.get(script.ends, {"failed", "lost", "blocked"})
        if not ends <= wanted:
            outcome.wrong.append(f"it ended {outcome.end}")
        if script.says not in reasons:
            outcome.wrong.append(f"{script.says!r} is not said, but: {reasons}")
        if script.rungs is not None and outcome.rungs != script.rungs:
            outcome.wrong.append(f"rungs were {outcome.rungs}, not {script.rungs}")
        await self._is_so(ill)

    async def _is_so(self, ill: Sequence[Device]) -> None:
        """As the devices themselves know it."""
        script = self.script
        held = script.cls == "compromised host"
        for device in ill:
            runs = alive(device)
            self.outcome.wrong += left_behind(device)
            if script.ends == BACK and runs == held:
                self.outcome.wrong.append(f"{device.name} {'runs' if runs else 'does not run'}")
        if script.ends == BACK and not held:
            names = ("Well", "SupplyFailed")
            await until(lambda: self._reasons(ill, names), f"{script.name}: it is seen to be well")

    async def _as_it_is(self, ill: Sequence[Device]) -> bool:
        """What is planned is not for a moment's silence, but for what the script is about."""
        made = await self._planned(ill, dry=True)
        fates = {node["fate"] for node in made["nodes"]}
        said = all(self.script.says in node["reason"] for node in made["nodes"])
        return fates == {"update"} or (self.script.ends == PERSON and fates == {"blocked"} and said)

    async def _recover(self, ill: Sequence[Device]) -> Json:
        """The plan, applied where there is anything to do, and over."""
        made = await self._planned(ill)
        made["rollout"] = False
        if not made["fates"].get("update"):
            return made
        await self._server.ask("POST", f"plans/{made['name']}/apply", {})
        await self._striker.meanwhile()

        async def over() -> Json:
            found = (await self._server.ask("GET", f"rollouts/{made['name']}"))["status"]
            return found if found["state"] == "done" else {}

        found: Json = await until(over, f"{self.script.name} ends", patience_s=400.0)
        plan, entries = await self._kept.of(made["name"])
        self._keep(entries)
        words = begun(entries)
        self._words += words
        self.outcome.rungs = rungs(words)
        self.outcome.wrong += late(plan, entries)
        if not entries or (
            entries
            and words
            and "evidence" not in {(e.step or "").rpartition("-")[2] for e in entries}
        ):
            self.outcome.wrong.append("no evidence was saved")
        found["rollout"] = True
        return found

    def _keep(self, entries: Sequence[Entry]) -> None:
        """What the journal says, for whoever wants to read how it went."""
        self.outcome.told += [
            f"{each.at - entries[0].at:7.1f} {each.kind.value:12} "
            f"{(each.step or '').rpartition('/')[2]:16} {json.dumps(each.doc, default=str)[:300]}"
            for each in entries
        ]

    async def _planned(self, ill: Sequence[Device], *, dry: bool = False) -> Json:
        names = ",".join(name for device in ill for name in self._server.hosts_of(device))
        asked = {"kind": "recover", "arguments": dict(self.script.ask)}
        spec = {"spec": {"asked": asked, "selector": names}}
        made = await self._server.ask("POST", f"plans{'?dryRun=All' if dry else ''}", spec)
        found: Json = made["status"]
        return found

    async def _are(self, devices: Sequence[Device], verdict: str) -> None:
        what = f"{self.script.name}: {devices[0].name} is {verdict}"
        try:
            await until(lambda: self._reasons(devices, (verdict,)), what)
        except TimeoutError:
            found = await self._server.reach()
            said = [f"{n}: {c['reason']} {c['message']}" for n, c in found.items()
                    if any(n.startswith(d.name) for d in devices)]  # fmt: skip
            raise TimeoutError(f"{what}, but {said}") from None

    async def _reasons(self, devices: Sequence[Device], words: Sequence[str]) -> bool:
        found = await self._server.reach()
        hosts = [self._server.hosts_of(device) for device in devices]
        names = [name for each in hosts for name in each]
        return all(hosts) and all(found.get(name, {}).get("reason") in words for name in names)


async def taken_up(devices: Sequence[Device]) -> bool:
    """The maker's login has a session at each of them."""
    return all(any(s.user == FACTORY[0] for s in d.gate.sessions()) for d in devices)


async def play(
    scripts: Sequence[Script],
    logs: Path | None = None,
    *,
    least_s: int = 0,
    inside: bool = False,
    tell: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """All in one hall, side by side; those that need it for themselves, afterwards. With
    `least_s`, which no rung gets less than, nothing depends on how fast the machine is. `tell` is
    told of each as it ends."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with hall(folder, scripts, least_s=least_s, inside=inside) as (ground, racks, server):
            plays = [Play(rack, folder, ground, server) for rack in racks]

            async def told(each: Play) -> Outcome:
                tell(outcome := await each.run())
                return outcome

            beside = [each for each in plays if not each.script.alone]
            outcomes = list(await asyncio.gather(*map(told, beside)))
            outcomes += [await told(each) for each in plays if each.script.alone]
            wrong = untouched(racks)
        if logs is not None:
            logs.mkdir(exist_ok=True)
            shutil.copy(folder / "server.log", logs)
            for each in outcomes:
                (logs / f"{each.script.name}.txt").write_text("\n".join(each.told))
    if outcomes and wrong:
        outcomes[0].wrong += wrong
        tell(outcomes[0])
    return outcomes


def show(outcome: Outcome) -> None:
    word = "WRONG" if outcome.wrong else "ok"
    print(
        f"  {word:5} {outcome.script.name:26} {outcome.script.verdict:16} seen "
        f"{outcome.seen_s:5.1f} s, over in {outcome.took_s:5.1f} s  "
        f"{' > '.join(outcome.rungs) or '-'}\n        {outcome.end[:160]}",
        flush=True,
    )
    for each in outcome.wrong:
        print(f"        ! {each}", flush=True)


def summary(outcomes: Sequence[Outcome]) -> None:
    """Time to recover by class, of those that came back."""
    times: dict[str, list[float]] = defaultdict(list)
    ends: dict[str, list[str]] = defaultdict(list)
    for each in outcomes:
        ends[each.script.cls].append(each.script.ends)
        if each.script.ends in (BACK, SELF) and not each.wrong:
            times[each.script.cls].append(each.took_s)
    print(f"\n{'class':24} scripts  back  person  left   median s  worst s")
    for cls, found in ends.items():
        took = times[cls]
        middle, worst = (statistics.median(took), max(took)) if took else (0.0, 0.0)
        numbers = f"{middle:9.1f} {worst:8.1f}" if took else "        -        -"
        back = found.count(BACK) + found.count(SELF)
        print(
            f"{cls:24} {len(found):7} {back:5} {found.count(PERSON):7} "
            f"{found.count(LEFT):5}  {numbers}"
        )


async def bench(only: Sequence[str], logs: Path | None) -> int:
    chosen = [s for s in SCRIPTS if not only or s.name in only or s.cls in only]
    print(f"seconds a rung may take: {json.dumps(RUNGS_S)}", flush=True)
    began = time.monotonic()
    outcomes = await play(chosen, logs, tell=show) if chosen else []
    print(f"{len(chosen)} side by side in one hall: {time.monotonic() - began:.0f} s")
    summary(outcomes)
    bad = sum(bool(each.wrong) for each in outcomes)
    print(json.dumps({"scripts": len(outcomes), "wrong": bad}))
    return 1 if bad or not outcomes else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--logs", type=Path)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "DOOR"))
    given = parser.parse_args()
    if given.serve:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(Path(given.serve[0]), socket.socket(fileno=int(given.serve[1]))))
        return 0
    if given.list:
        print("\n".join(f"{each.name:26} {each.cls}" for each in SCRIPTS))
        return 0
    return run_to_the_end(bench(given.only, given.logs))


if __name__ == "__main__":
    sys.exit(main())
