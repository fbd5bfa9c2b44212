"""Eyes and hands of recoveries: each rung done once, and what it led to read afresh.

Looking asks all paths of a node anew, for no rung may rest on what was true when the plan was made:
a node that came back by itself is left alone, a host that somebody revived is not stopped. Silence
is no error here but an answer: it is what most recoveries begin with. Doing goes through the same
drivers and lanes as everything else, so that a device is never asked for more than it bears.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from iolaus.drivers.ports import Priority, Reads, Receipt, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.harvest import ROOT, links_in
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import FAILURES, DeviceRefused, OperatorMust
from iolaus.model.asset import Asset, Firmware
from iolaus.model.endpoint import Target
from iolaus.model.plan import Action, Expect, NodePlan, Op, Step, Verb
from iolaus.model.reach import Around, Controller, NodeSight, Verdict
from iolaus.model.recovery import RungName
from iolaus.model.rollout import Sight
from iolaus.recovery import isolating, ladder, media, reflash
from iolaus.recovery.device import must_be_managed
from iolaus.recovery.evidence import Evidence, Tail, gather, packed, reading, safe
from iolaus.recovery.holding import dark, held_off, not_held, outlets_said, state_of
from iolaus.recovery.policy import Rules
from iolaus.recovery.probe import probe
from iolaus.recovery.reach import judge
from iolaus.recovery.reflashing import Images, Reflashing
from iolaus.recovery.rungs import PERSON, RUNGS
from iolaus.recovery.scrub import Scrub
from iolaus.recovery.sighting import Lens, sight_of
from iolaus.recovery.slots import Slot, Slots
from iolaus.recovery.spent import Spending
from iolaus.recovery.strips import Strips
from iolaus.store.facts import Facts
from iolaus.store.held import Held
from iolaus.store.saved import SavedFiles
from iolaus.wire.redfish.errors import Code

DEADLINE_S: Final = 60.0
OFF_S: Final = 30.0
BACK_S: Final = 30.0
SILENT_S: Final = 2.0
_GRACEFUL: Final = {
    RungName.RESTART: "GracefulRestart",
    RungName.FORCE_RESTART: "ForceRestart",
    RungName.POWER_CYCLE: "PowerCycle",
    RungName.POWER_ON: "On",
    RungName.NMI: "Nmi",
    RungName.MAINS: "FullPowerCycle",
}
_IS_BACK: Final = frozenset({Verdict.WELL, Verdict.SUPPLY_FAILED})
_TELLS_NO_MORE: Final = _IS_BACK | {Verdict.UNKNOWN}
"""What says less than what the plan was made for."""


class Device(Protocol):
    """One device through its lane."""

    async def driver(self) -> RedfishDriver: ...

    def at(self, priority: Priority) -> Reads: ...

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes: ...

    async def fetch(self, uri: str, *, deadline_s: float, max_bytes: int) -> bytes: ...

    @property
    def crowded(self) -> bool: ...

    def log_in_anew(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Our login at a device: the account's name, and the sessions that are this life's."""

    user: str
    sessions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What recovery works with. `lens` is how the hall is seen now; `settle` has the login of an
    endpoint looked for; `ours` says who we are there; `secrets` are all that we keep, for nothing
    of them may be saved."""

    facts: Facts
    open_device: Callable[[Target], Device]
    clock: Clock
    rules: Callable[[], Rules]
    lens: Callable[[], Lens]
    spending: Spending
    saved: SavedFiles
    ours: Callable[[Target], Ours]
    images: Images
    settle: Callable[[str], None] = lambda _: None
    secrets: Callable[[], Iterable[str]] = tuple
    tail: Tail | None = None
    ourselves: Callable[[], bool | None] = lambda: None


class Order(msgspec.Struct, frozen=True):
    """One sending: of which step, to which asset."""

    node: NodePlan
    step: Step
    action: Action
    held: Any
    asset: Asset


class WasBack(NamedTuple):
    """A node that was seen to be back, by a look of which step."""

    step: str
    at: float
    sight: NodeSight


class RecoveryHands:
    """`act`'s hands for plans of recovery."""

    def __init__(self, means: Means) -> None:
        self._means, self._facts = means, means.facts
        self._backs: dict[str, WasBack] = {}
        self._strips = Strips(means.facts, means.open_device)
        self._reflashing = Reflashing(means.images)
        self._slots = Slots(means.facts, means.open_device)

    # --- looking ------------------------------------------------------------------------------

    async def look(
        self,
        node: NodePlan,
        step: Step,
        expects: tuple[Expect, ...],
        *,
        baseline: Mapping[str, Any],
    ) -> Sight:
        """All paths of the node, read afresh. Raises `OperatorMust` for one that is not known."""
        del baseline
        held, asset = self._known(node)
        verdict = Verdict(str(step.action.arguments.get("class", Verdict.UNKNOWN)))
        seen = await self._seen_for(node, step, held, asset)
        values: dict[str, Any] = {}
        details: list[str] = []
        for expect in expects:
            value, told = await self._value(expect.subject, node, step, seen, verdict, values)
            values[expect.subject] = value
            if not holds(expect, value):
                details.append(told or f"{expect.subject} is {value}")
        unknown = any(values[e.subject] is None for e in expects)
        unmet = any(
            values[e.subject] is not None and not holds(e, values[e.subject]) for e in expects
        )
        word = "unmet" if unmet else "unknown" if unknown else "met"
        return Sight(verdict=word, seen=values, detail="; ".join(details))  # type: ignore[arg-type]

    async def _seen_for(self, node: NodePlan, step: Step, held: Held, asset: Asset) -> NodeSight:
        """Afresh; but a node that was seen to be back a moment ago is not asked again by each rung
        that is left alone for it: what proves it at the end asks, and so does what begins anew."""
        now = self._means.clock.monotonic()
        found = self._backs.get(node.uid)
        if found and found.step != step.id and now - found.at < BACK_S and step.rung in RUNGS:
            return found.sight
        self._backs.pop(node.uid, None)
        return await self.seen(held, asset)

    async def seen(self, held: Held, asset: Asset) -> NodeSight:
        """The node by all its paths: its controller and its outlets asked now."""
        means, rules = self._means, self._means.rules()
        lens = means.lens()
        every = list(self._facts.all_held())
        sight = sight_of(held, asset, every, lens)
        device = means.open_device(held.target)
        skew = held.report.clock_skew_s if held.report else None
        firmware = held.report.firmware if held.report else ()
        outlets = tuple(await self._strips.read(held))
        before = msgspec.structs.replace(sight, outlets=outlets)
        seen = await probe(
            reading(device, patience_s(before)),
            asset,
            before,
            now=means.clock.now(),
            skew_s=skew or 0.0,
            wedged_after_s=rules.wedged_after_s,
            spare=frozenset(f.uri for f in firmware if f.bank),
            crowded=device.crowded,
        )
        if seen.controller is Controller.UNKNOWN and before.controller is Controller.SILENT:
            return before  # an answer that did not come in time overrules nothing
        return seen

    async def slot(self, held: Held) -> Slot | None:
        """Which it sits in, and why it may not be reset."""
        return await self._slots.of(held)

    async def _value(
        self,
        subject: str,
        node: NodePlan,
        step: Step,
        seen: NodeSight,
        verdict: Verdict,
        values: Mapping[str, Any],
    ) -> tuple[Any, str]:
        """The value of one subject, and what to tell where it is not as expected."""
        if subject == ladder.BACK:
            back, told = self._back(seen, verdict)
            remembers = verdict is not Verdict.COMPROMISED and step.rung in RUNGS
            if back and remembers and node.uid not in self._backs:
                self._backs[node.uid] = WasBack(step.id, self._means.clock.monotonic(), seen)
            return back, told
        if subject.startswith(ladder.MAY):
            if values.get(ladder.BACK) is True:
                return False, "it is back"
            return self._may(subject.removeprefix(ladder.MAY), node, step, seen)
        if subject == ladder.HOST_STOPS:
            alive = seen.host.alive is True
            return not alive, "its host is alive, and nobody said that it may stop" if alive else ""
        if subject == ladder.ANSWERS:
            return ladder.answers(seen), f"its controller: {seen.said or seen.controller.value}"
        if subject == ladder.HELD:
            return held_off(seen), not_held(seen)
        if subject == ladder.POWER:
            return {True: "On", False: "Off", None: None}[seen.on], f"its host: {seen.said or 'on'}"
        if subject == ladder.OUTLETS:
            return state_of(seen.outlets), outlets_said(seen.outlets)
        if subject in (ladder.OPEN, ladder.ISOLATED, ladder.REJOINED):
            return await self._of_links(subject, node, step)
        if subject == ladder.ALONE:
            slot = await self._slots.of(self._known(node)[0])
            why = slot.why if slot else "no label says in which slot it sits"
            return not why, f"its slot: {why}"
        if subject == ladder.SAVED:
            return await self._means.saved.has(node.uid, archive_of(step)), "nothing is saved yet"
        if subject in (reflash.RUNS, reflash.PUSHED):
            held, asset = self._known(node)
            if not ladder.answers(seen) or held.report is None:
                return None, f"its controller: {seen.said or seen.controller.value}"
            device, known = self._means.open_device(held.target), (held.report, asset)
            return await self._reflashing.look(subject, device, known, (node, step, seen))
        return await self._of_host(subject, node, step)

    def _back(self, seen: NodeSight, verdict: Verdict) -> tuple[bool, str]:
        around = Around(ourselves=self._means.ourselves())
        found = judge(msgspec.structs.replace(seen, supplies=()), around)
        back = found.verdict in _IS_BACK and seen.on is True
        if verdict is Verdict.HOST_HUNG:
            back = back and seen.host.alive is True
        if back:
            return True, ""
        need = PERSON[verdict if found.verdict in _TELLS_NO_MORE else found.verdict]
        return False, f"{found.why}. A person is needed: {need}"

    def _may(self, word: str, node: NodePlan, step: Step, seen: NodeSight) -> tuple[bool, str]:
        rung = self._means.rules().rungs.get(RungName(word))
        if rung is None:
            return False, f"policy says never: {word}"
        why = self._means.spending.ask(
            rung, node=node.uid, rack=seen.rack, step=step.id, now=self._means.clock.now()
        )
        return not why, why

    async def _of_links(self, subject: str, node: NodePlan, step: Step) -> tuple[Any, str]:
        """What of it is open, or whether all is closed (or open again) that is to be."""
        held, asset = self._known(node)
        reads = self._means.open_device(held.target).at(Priority.LIFECYCLE)
        try:
            there = await isolating.links(reads, asset)
        except FAILURES as error:
            return None, error.message
        if subject == ladder.OPEN:
            return sorted(each.name for each in there if each.open), "none of its ports is open"
        if subject == ladder.ISOLATED:
            told = isolating.still(there, to_open=False) if there else "it shows no port to close"
            return not told, f"{told}. A person is needed: cut it at its switches by hand"
        mine = [each for each in there if each.name in step.action.arguments["links"]]
        return not (told := isolating.still(mine, to_open=True)), told

    async def _of_host(self, subject: str, node: NodePlan, step: Step) -> tuple[Any, str]:
        """Its boot override and its drive."""
        held, asset = self._known(node)
        reads = self._means.open_device(held.target).at(Priority.LIFECYCLE)
        try:
            if subject == ladder.OVERRIDE:
                ours = str(step.action.arguments.get("image", ""))
                found = await media.override(reads, asset, ours=ours)
                return found, f"its boot override is {found}"
            if subject == ladder.MEDIA:
                return await media.inserted(reads, asset), "its drive holds something else"
        except FAILURES as error:
            return None, error.message
        return None, f"nobody knows {subject}"

    # --- doing --------------------------------------------------------------------------------

    async def do(
        self, node: NodePlan, step: Step, action: Action, *, effect: str
    ) -> Mapping[str, Any]:
        """Send it once; the receipt without any secret. Raises `PolicyRefused` for an endpoint
        that nobody said managed."""
        del effect
        held, asset = self._known(node)
        order = Order(node, step, action, held, asset)
        if action.verb is Verb.GATHER:
            return await self._gather(order)
        must_be_managed(held.target, what="host", operation=action.subject, node=node.name)
        return await self._doing(action.subject)(order)

    def _doing(self, subject: str) -> Callable[[Order], Awaitable[dict[str, Any]]]:
        if subject in list(_GRACEFUL):
            return self._reset_host
        return {
            RungName.WAIT.value: self._nothing,
            ladder.PROVE: self._nothing,
            "look": self._nothing,
            ladder.WATCH: self._watch,
            RungName.SETTLE_LOGIN.value: self._settle,
            RungName.CLOSE_SESSIONS.value: self._close_sessions,
            RungName.RESET_MANAGER.value: self._reset_manager,
            RungName.SWITCH_BANK.value: self._switch_bank,
            reflash.REFLASH: self._reflash,
            reflash.ACTIVATE: self._activate,
            RungName.ISOLATE.value: self._isolate,
            RungName.REJOIN.value: self._rejoin,
            RungName.SLOT.value: self._slot,
            "outlet-off": self._outlets_off,
            "outlet-on": self._outlets_on,
            "never-by-itself": self._never_by_itself,
            "cut-off": self._cut_off,
            "insert-media": self._insert,
            "eject-media": self._eject,
            "boot-once": self._boot_once,
            "boot-clear": self._boot_clear,
            "rescue-start": self._rescue_start,
        }[subject]

    async def _nothing(self, order: Order) -> dict[str, Any]:
        del order
        return {}

    async def _watch(self, order: Order) -> dict[str, Any]:
        """For so long nothing is done: what others do shows."""
        await self._means.clock.sleep(float(order.action.arguments["for_s"]))
        return {}

    async def _gather(self, order: Order) -> dict[str, Any]:
        """What the node still tells, kept, with its digest."""
        means = self._means
        told = {"node": order.node.name, "step": order.step.id, **order.action.arguments}
        found: Evidence = await gather(
            means.open_device(order.held.target),
            order.held,
            order.asset,
            clock=means.clock,
            scrub=Scrub(means.secrets()),
            told=told,
            tail=means.tail,
            patience_s=patience_s(self._pictured(order)),
        )
        data, name = await asyncio.to_thread(packed, found), archive_of(order.step)
        kept = await means.saved.save(order.node.uid, name, data, at=means.clock.now())
        return {"file": f"{name}.zip", "sha256": kept.digest, "files": len(found.files),
                "gaps": len(found.gaps)}  # fmt: skip

    def _pictured(self, order: Order) -> NodeSight:
        every = list(self._facts.all_held())
        return sight_of(order.held, order.asset, every, self._means.lens())

    async def _settle(self, order: Order) -> dict[str, Any]:
        self._means.settle(order.held.target.address)
        return {}

    async def _reset_host(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        uri, rung = order.asset.resources[0], RungName(order.action.subject)
        try:
            return _told(await driver.set_power(writes, uri, _GRACEFUL[rung]))
        except DeviceRefused as error:
            if rung is not RungName.POWER_CYCLE or error.code != Code.NOT_SUPPORTED:
                raise
        return await self._off_and_on(driver, writes, uri)

    async def _off_and_on(self, driver: RedfishDriver, writes: Writes, uri: str) -> dict[str, Any]:
        """A power cycle where none is offered; whoever is stopped in between leaves it off, and
        the rung that powers it on finds it so."""
        await driver.set_power(writes, uri, "ForceOff")
        ends = self._means.clock.monotonic() + OFF_S
        while self._means.clock.monotonic() < ends:
            if (await writes.get(uri)).body.get("PowerState") == "Off":
                break
            await self._means.clock.sleep(0.5)
        return _told(await driver.set_power(writes, uri, "On"))

    async def _rescue_start(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        return _told(await driver.set_power(writes, order.asset.resources[0], "ForceRestart"))

    async def _cut_off(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        return _told(await driver.set_power(writes, order.asset.resources[0], "ForceOff"))

    async def _never_by_itself(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        receipt = await driver.set_power_restore(writes, order.asset.resources[0], "AlwaysOff")
        return _told(receipt)

    async def _reset_manager(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        return _told(await driver.reset_manager(writes, _manager_of(order)))

    async def _switch_bank(self, order: Order) -> dict[str, Any]:
        """To the version that the other bank holds; the controller boots it at once."""
        driver, writes = await self._hand(order)
        firmware = order.held.report.firmware if order.held.report else ()
        other = next((f for f in firmware if f.bank == "backup" and f.booted_by and boots(f)), None)
        if other is None:
            raise _cannot(order, "no other bank is known", "NoOtherBank")
        receipt = await driver.switch_bank(writes, other.booted_by, str(other.version))
        await driver.reset_manager(writes, other.booted_by)
        return _told(receipt)

    async def _reflash(self, order: Order) -> dict[str, Any]:
        device = self._means.open_device(order.held.target)
        return await self._reflashing.push(device, order.step)

    async def _activate(self, order: Order) -> dict[str, Any]:
        """By a restart of what runs it: of the controller, or of the host (on, if it is off)."""
        if order.action.arguments["kind"] == reflash.MANAGER:
            return await self._reset_manager(order)
        driver, writes = await self._hand(order)
        uri = order.asset.resources[0]
        off = (await writes.get(uri)).body.get("PowerState") == "Off"
        return _told(await driver.set_power(writes, uri, "On" if off else "ForceRestart"))

    async def _close_sessions(self, order: Order) -> dict[str, Any]:
        """Those of our own account that are not this life's; nobody else's."""
        target, gone = order.held.target, 0
        ours = self._means.ours(target)
        device = self._means.open_device(target)
        writes = device.writer(Priority.LIFECYCLE, deadline_s=DEADLINE_S)
        root = (await writes.get(ROOT)).body
        for service in links_in(root.get("SessionService")):
            for place in links_in((await writes.get(service)).body.get("Sessions")):
                for uri, session in await writes.members(place, on_gap=lambda *_: None):
                    if session.get("UserName") == ours.user and uri not in ours.sessions:
                        await writes.write("DELETE", uri)
                        gone += 1
        device.log_in_anew()
        return {"closed": gone}

    async def _isolate(self, order: Order) -> dict[str, Any]:
        _, writes = await self._hand(order)
        return await isolating.close(writes, order.asset)

    async def _rejoin(self, order: Order) -> dict[str, Any]:
        _, writes = await self._hand(order)
        return await isolating.reopen(writes, order.asset, order.action.arguments["links"])

    async def _slot(self, order: Order) -> dict[str, Any]:
        return await self._slots.cycle(order.held, node=order.node.name)

    async def _outlets_off(self, order: Order) -> dict[str, Any]:
        return await self._switch_outlets(order, "ForceOff")

    async def _outlets_on(self, order: Order) -> dict[str, Any]:
        return await self._switch_outlets(order, "On")

    async def _switch_outlets(self, order: Order, how: str) -> dict[str, Any]:
        word, name = order.action.subject, order.node.name
        return await self._strips.switch(order.held, how, operation=word, node=name)

    async def _insert(self, order: Order) -> dict[str, Any]:
        _, writes = await self._hand(order)
        return await media.insert(writes, order.asset, str(order.action.arguments["image"]))

    async def _eject(self, order: Order) -> dict[str, Any]:
        _, writes = await self._hand(order)
        return await media.eject(writes, order.asset)

    async def _boot_once(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        boot = str(order.action.arguments["boot"])
        uri, image = order.asset.resources[0], order.action.arguments.get("image")
        return _told(
            await driver.set_boot(
                writes, uri, target=boot, enabled="Once", http_uri=str(image) if image else None
            )
        )

    async def _boot_clear(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        uri, image = order.asset.resources[0], order.action.arguments.get("image")
        return _told(
            await driver.set_boot(writes, uri, enabled="Disabled", http_uri="" if image else None)
        )

    # --- what is known ------------------------------------------------------------------------

    async def _hand(self, order: Order) -> tuple[RedfishDriver, Writes]:
        device = self._means.open_device(order.held.target)
        return await device.driver(), device.writer(Priority.LIFECYCLE, deadline_s=DEADLINE_S)

    def _known(self, node: NodePlan) -> tuple[Held, Asset]:
        found = self._facts.find_asset(node.uid)
        if found is None:
            raise OperatorMust(
                "it is not known any more",
                operation="find",
                subject=node.name,
                code="NodeGone",
                next_step="discover it again.",
            )
        return found


def patience_s(sight: NodeSight) -> float | None:
    """How long an answer is waited for: of who is silent as everybody sees, or has no power, not as
    long as a slow controller may take, for a ladder asks many times."""
    return SILENT_S if sight.controller is Controller.SILENT or dark(sight.outlets) else None


def boots(firmware: Firmware) -> bool:
    """Whether a bank holds something that may start."""
    return bool(firmware.version) and firmware.health != "Critical"


def archive_of(step: Step) -> str:
    return safe(step.id.replace("/", "-"))


def holds(expect: Expect, value: Any) -> bool:
    """Unknown is neither; whoever asks looks for that first."""
    if value is None:
        return False
    return (value == expect.value) is (expect.op is Op.IS)


def _manager_of(order: Order) -> str:
    for uri in order.asset.resources:
        if "/Managers/" in uri:
            return uri
    raise _cannot(order, "no manager of it is known", "NoManager")


def _told(receipt: Receipt) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(receipt)
    return told


def _cannot(order: Order, why: str, code: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation=order.action.subject,
        subject=order.node.name,
        code=code,
        next_step="do it by hand.",
    )
