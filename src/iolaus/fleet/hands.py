"""Eyes and hands of a roll-out: steps done and verified, only through the ports of drivers.

Looking reads what a step speaks of and nothing else, afresh. While a device works on an update, no
other step's success is believed: a task that runs makes an update's outcome unmet, whatever the
versions say. Nothing is retried, waited for or remembered here that a crash could lose: what a
drain did stands in the journal and in its mark, and which task an update became is found by asking
the task service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from iolaus.drivers.ports import Image, Priority, Reads, Receipt, Staged, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.spots import BOOT, MANAGER_BOOT, Spots
from iolaus.fleet.drain.port import Drained, DrainPhase, Drains, DrainTarget
from iolaus.fleet.expect import sight_of
from iolaus.fleet.folder import ImageFolder
from iolaus.fleet.proving import Proving, is_proof
from iolaus.fleet.renewing import Renewals
from iolaus.fleet.step import BANK, DRAINED
from iolaus.fleet.step_certificate import REQUEST, ROOM
from iolaus.fleet.step_retire import WIPED
from iolaus.fleet.wiping import Wiping
from iolaus.fleet.work import CREDENTIAL
from iolaus.kernel.errors import DeviceRefused, OperatorMust, PolicyRefused
from iolaus.model.asset import Asset
from iolaus.model.credential import MAY_TRY
from iolaus.model.endpoint import Mode, Target
from iolaus.model.plan import Action, Expect, NodePlan, Op, Step, Verb
from iolaus.model.rollout import Sight
from iolaus.store.facts import Facts
from iolaus.store.held import Held
from iolaus.wire.redfish.task import State as TaskState
from iolaus.wire.redfish.task import read_task

TASKS: Final = "task/running"
MANAGER: Final = frozenset({Verb.RESET_MANAGER})


class Order(NamedTuple):
    """One sending: what, within which step, to which asset; `effect` is unique to it."""

    node: NodePlan
    step: Step
    action: Action
    held: Held
    asset: Asset
    effect: str


class Device(Protocol):
    """One device through its lane."""

    async def driver(self) -> RedfishDriver: ...

    def at(self, priority: Priority) -> Reads: ...

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes: ...


class Rotates(Protocol):
    """Gives accounts new passwords (`fleet.credential.rotating.Rotation`)."""

    async def look(self, target: Target, *, trying: bool) -> Mapping[str, Any]: ...

    async def give(
        self, target: Target, *, number: int, deadline_s: float | None = None
    ) -> dict[str, Any]: ...


class FleetHands:
    """`act`'s hands over a real hall. `drains` opens the adapter of a name; `begun` is the last
    receipt of a drain that the journal has of a node (its uid), None where there is none."""

    def __init__(
        self,
        *,
        facts: Facts,
        open_device: Callable[[Target], Device],
        drains: Callable[[str], Drains],
        images: ImageFolder,
        begun: Callable[[str], Awaitable[Mapping[str, Any] | None]],
        rotation: Rotates,
        renewals: Renewals | None = None,
        proving: Proving | None = None,
        wiping: Wiping | None = None,
    ) -> None:
        self._renewals, self._proving, self._wiping = renewals, proving, wiping
        self._facts, self._open, self._drains, self._images = facts, open_device, drains, images
        self._begun, self._rotation = begun, rotation
        self._drained: dict[str, Drained] = {}

    # --- looking ------------------------------------------------------------------------------

    async def look(
        self,
        node: NodePlan,
        step: Step,
        expects: tuple[Expect, ...],
        *,
        baseline: Mapping[str, Any],
    ) -> Sight:
        """A fresh read of what is expected. Raises what the device's lane raises."""
        values: dict[str, Any] = {}
        reasons: dict[str, str] = {}
        subjects = [each.subject for each in expects]
        if DRAINED in subjects:
            back = any(each.subject == DRAINED and each.op is Op.IS_NOT for each in expects)
            await self._look_at_drain(node, step, values, reasons, back=back)
        if mine := [each for each in subjects if each.startswith(ROOM)]:
            await self._renewing().look(self._known(node)[0], node.uid, mine, values)
        if logins := [each for each in subjects if each.startswith(CREDENTIAL)]:
            target = self._known(node)[0].target
            values |= await self._rotation.look(target, trying=MAY_TRY in logins)
        if banks := [each for each in subjects if each.startswith(BANK)]:
            await self._look_at_banks(node, step, banks, values, reasons)
        proofs = [each for each in subjects if is_proof(each)]
        told = self._look_at_proofs(node, step, proofs, values, reasons) if proofs else ""
        wiped = [each for each in subjects if each.startswith(WIPED)]
        if wiped and self._wiping is not None:
            await self._wiping.look(node.uid, self._known(node)[0].target, wiped, values)
        asked = {DRAINED, *mine, *logins, *banks, *proofs, *wiped}
        if rest := [each for each in subjects if each not in asked]:
            spots = await self._spots(node, rest, manager=_restarts_manager(step, expects))
            values |= spots.values
            reasons |= spots.reasons
        updates = step.action.verb in (Verb.UPDATE, Verb.ACTIVATE) and expects != step.before
        if updates and (running := await self._running_task(node)):
            return Sight(verdict="unmet", seen=values, detail=running)
        sight = sight_of(expects, values=values, reasons=reasons, baseline=baseline)
        told = told if sight.verdict == "unmet" else ""
        return msgspec.structs.replace(sight, detail=f"{sight.detail}: {told}") if told else sight

    def _look_at_proofs(
        self,
        node: NodePlan,
        step: Step,
        subjects: Sequence[str],
        values: dict[str, Any],
        reasons: dict[str, str],
    ) -> str:
        assert self._proving is not None, "nobody attests here"
        address = self._known(node)[0].target.address
        return self._proving.look(node, step, subjects, address, values, reasons)

    async def _spots(self, node: NodePlan, subjects: Sequence[str], *, manager: bool) -> Spots:
        held, asset = self._known(node)
        device = self._open(held.target)
        driver = await device.driver()
        assert held.report is not None
        asked = [MANAGER_BOOT if manager and s == BOOT else s for s in subjects]
        found = await driver.spots(device.at(Priority.LIFECYCLE), held.report, asset, asked)
        if not manager:
            return found
        return Spots(values=_renamed(found.values), reasons=_renamed(found.reasons))

    async def _look_at_banks(
        self,
        node: NodePlan,
        step: Step,
        subjects: Sequence[str],
        values: dict[str, Any],
        reasons: dict[str, str],
    ) -> None:
        """What the controller boots next, of the one component that goes back by its banks."""
        device, undo = self._open(self._known(node)[0].target), step.undo
        assert undo is not None
        driver, reads = await device.driver(), device.at(Priority.LIFECYCLE)
        found = await driver.next_version(reads, str(undo.arguments["manager"]))
        if found is None:
            reasons |= dict.fromkeys(subjects, "it does not say which image it boots next")
        else:
            values |= dict.fromkeys(subjects, found)

    async def _running_task(self, node: NodePlan) -> str:
        """What the device still works on, in words; empty when nothing runs."""
        held, _ = self._known(node)
        reads = self._open(held.target).at(Priority.LIFECYCLE)
        async for uri, payload in _tasks(reads):
            progress = read_task(uri, payload)
            if progress.state is TaskState.RUNNING:
                percent = "" if progress.percent is None else f" ({progress.percent} %)"
                return f"{uri} is {progress.raw_state or 'running'}{percent}"
        return ""

    async def _look_at_drain(
        self,
        node: NodePlan,
        step: Step,
        values: dict[str, Any],
        reasons: dict[str, str],
        *,
        back: bool,
    ) -> None:
        """`back`: it is to be given back. What we did not take is not ours to give, and a node that
        takes work again stands in nobody's way."""
        drains = self._drains(_adapter(step.action))
        drained = await self._receipt(node)
        if drained is None or (back and not drained.did):
            values[DRAINED] = "not drained by us"
            return
        state = await drains.state(self._target(node), drained)
        if state.phase is DrainPhase.UNKNOWN:
            reasons[DRAINED] = state.detail
        elif state.phase is DrainPhase.REFUSED and not back:
            raise OperatorMust(
                state.detail,
                operation="drain",
                subject=node.name,
                code="DrainRefused",
                next_step="; ".join(state.remaining) or "look at what stands in the way.",
            )
        else:
            values[DRAINED] = state.phase.value

    # --- doing --------------------------------------------------------------------------------

    async def do(
        self, node: NodePlan, step: Step, action: Action, *, effect: str
    ) -> Mapping[str, Any]:
        """Send it once; the receipt without any secret. Raises `PolicyRefused` for an endpoint
        that nobody said managed."""
        held, asset = self._known(node)
        if held.target.mode is not Mode.MANAGED:
            raise PolicyRefused(
                "its endpoint is read-only",
                operation=action.verb.value,
                subject=node.name,
                code="ReadOnly",
                next_step=f"iolaus manage {held.target.name or held.target.address}, then resume.",
            )
        doing = self._verbs()[action.verb]
        return await doing(Order(node, step, action, held, asset, effect))

    def _verbs(self) -> Mapping[Verb, Callable[[Order], Awaitable[dict[str, Any]]]]:
        return {
            Verb.DRAIN: self._drain,
            Verb.UNDRAIN: self._undrain,
            Verb.UPDATE: self._update,
            Verb.ACTIVATE: self._activate,
            Verb.RESET: self._reset,
            Verb.RESET_MANAGER: self._reset_manager,
            Verb.SWITCH_BANK: self._switch_bank,
            Verb.SET_BIOS: self._set_bios,
            Verb.SET_MANAGER: self._set_manager,
            Verb.SET_BOOT: self._set_boot,
            Verb.RENEW_CERTIFICATE: self._renew_certificate,
            Verb.ROTATE_CREDENTIAL: self._rotate,
            Verb.WAIT_HEALTHY: self._wait,
            Verb.ATTEST: self._attest,
            Verb.WIPE: self._wipe,
        }

    async def _wait(self, _: Order) -> dict[str, Any]:
        return {}

    async def _attest(self, order: Order) -> dict[str, Any]:
        assert self._proving is not None, "nobody attests here"
        self._proving.ask(order.node, order.step, order.held.target.address)
        return {}

    async def _wipe(self, order: Order) -> dict[str, Any]:
        assert self._wiping is not None, "nobody wipes here"
        target, most_s = order.held.target, order.step.timeout_s
        what, uid = order.action.subject, order.node.uid
        return await self._wiping.do(uid, target, what, deadline_s=most_s)

    async def _drain(self, order: Order) -> dict[str, Any]:
        drains = self._drains(_adapter(order.action))
        plan = order.effect.partition("/")[0]
        drained = await drains.begin(self._target(order.node), reason=f"plan {plan}")
        self._drained[order.node.uid] = drained
        return {"drained": msgspec.to_builtins(drained)}

    async def _undrain(self, order: Order) -> dict[str, Any]:
        if (drained := await self._receipt(order.node)) is not None:
            drains = self._drains(_adapter(order.action))
            await drains.undo(self._target(order.node), drained)
        return {}

    async def _update(self, order: Order) -> dict[str, Any]:
        given, path = order.action.arguments, None
        if "file" in given:
            path = await self._images.checked(given["file"], given["sha256"])
        image = Image(
            name=given.get("file") or str(given["uri"]).rpartition("/")[2],
            path=str(path) if path else None,
            uri=given.get("uri"),
            sha256=str(given["sha256"]) if path else None,
        )
        driver, writes = await self._hand(order)
        receipt = await driver.update(
            writes,
            image,
            [str(uri) for uri in given.get("targets", ())],
            apply_time=await _apply_time(driver, writes, given),
            force=True if order.step.undo is order.action else None,
        )
        return _told(receipt)

    async def _activate(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        receipt = await driver.activate(writes)
        return _told(receipt) if receipt else {}

    async def _reset(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        kind = str(order.action.arguments["type"])
        return _told(await driver.set_power(writes, order.asset.resources[0], kind))

    async def _reset_manager(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        uri = order.action.arguments.get("manager") or _manager_of(order.asset)
        return _told(await driver.reset_manager(writes, str(uri)))

    async def _switch_bank(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        given = order.action.arguments
        return _told(await driver.switch_bank(writes, given["manager"], given["version"]))

    async def _set_bios(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        system = next(uri for uri in order.asset.resources if "/Systems/" in uri)
        await driver.clear_pending(writes, system)
        wanted = order.action.arguments["attributes"]
        staged = await driver.write_settings(writes, system, wanted)
        if staged.refused:
            raise _partly(order.node, staged)
        return _told(staged.receipt)

    async def _set_manager(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        given = order.action.arguments
        value = tuple(given["value"]) if isinstance(given["value"], list) else given["value"]
        return _told(await driver.set_manager(writes, given["name"], value, uri=given["uri"]))

    async def _set_boot(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        given = {key: str(value) for key, value in order.action.arguments.items()}
        return _told(await driver.set_boot(writes, order.asset.resources[0], **given))

    async def _renew_certificate(self, order: Order) -> dict[str, Any]:
        driver, writes = await self._hand(order)
        renewals = self._renewing()
        if order.action.subject == REQUEST:
            uid = order.node.uid
            return await renewals.request(driver, writes, order.held, order.action, uid)
        return await renewals.install(driver, writes, order.node.uid, order.action)

    def _renewing(self) -> Renewals:
        assert self._renewals is not None, "nobody signs here"
        return self._renewals

    async def _rotate(self, order: Order) -> dict[str, Any]:
        number = int(order.action.arguments["number"])
        target, most_s = order.held.target, order.step.timeout_s
        return await self._rotation.give(target, number=number, deadline_s=most_s)

    # --- what is known of a node --------------------------------------------------------------

    async def _hand(self, order: Order) -> tuple[RedfishDriver, Writes]:
        """Nothing waits longer for the device than its step may take; an image may."""
        device = self._open(order.held.target)
        most_s = None if order.action.verb is Verb.UPDATE else order.step.timeout_s
        return await device.driver(), device.writer(Priority.LIFECYCLE, deadline_s=most_s)

    def _known(self, node: NodePlan) -> tuple[Held, Asset]:
        """Where the node stands now: its uid survives a change of address."""
        found = self._facts.find_asset(node.uid)
        if found is None or found[0].report is None:
            raise OperatorMust(
                "it is not known any more",
                operation="find",
                subject=node.name,
                code="NodeGone",
                next_step="discover it again, or make a new plan.",
            )
        return found

    def _target(self, node: NodePlan) -> DrainTarget:
        held, asset = self._known(node)
        return DrainTarget(
            uid=node.uid, name=node.name, hostname=asset.hostname, labels=held.target.labels
        )

    async def _receipt(self, node: NodePlan) -> Drained | None:
        """What the drain's `begin` said, in this life or an earlier one."""
        if node.uid not in self._drained:
            told = await self._begun(node.uid)
            if told is None:
                return None
            self._drained[node.uid] = msgspec.convert(told, Drained)
        return self._drained[node.uid]


def _restarts_manager(step: Step, expects: Iterable[Expect]) -> bool:
    """Which of the two starts is meant: the manager's where that is what the action restarts."""
    back = tuple(expects) == step.undo_after and step.undo is not None
    action = step.undo if back and step.undo is not None else step.action
    return action.verb in MANAGER or (
        action.verb is Verb.UPDATE and action.arguments.get("kind") == "bmc"
    )


def _renamed(found: Mapping[str, Any]) -> dict[str, Any]:
    return {BOOT if key == MANAGER_BOOT else key: value for key, value in found.items()}


async def _tasks(device: Reads) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    """The device's tasks, where it has a task service."""
    root = (await device.get("/redfish/v1")).body
    service = _link(root.get("Tasks"))
    if not service:
        return
    try:
        collection = _link((await device.get(service)).body.get("Tasks"))
        if collection:
            for found in await device.members(collection, on_gap=lambda *_: None):
                yield found
    except DeviceRefused:
        return


def _link(value: object) -> str:
    uri = value.get("@odata.id") if isinstance(value, dict) else None
    return uri if isinstance(uri, str) else ""


def _manager_of(asset: Asset) -> str:
    for uri in asset.resources:
        if "/Managers/" in uri:
            return uri
    raise OperatorMust(
        "no manager of it is known",
        operation="reset manager",
        subject=asset.key,
        code="NoManager",
        next_step="restart it by hand, then resume.",
    )


async def _apply_time(
    driver: RedfishDriver, writes: Writes, given: Mapping[str, Any]
) -> str | None:
    """What was planned; "Immediate" is only said to a device that lets one choose."""
    wished = given.get("apply_time")
    if wished != "Immediate":
        return None if wished is None else str(wished)
    return wished if wished in await driver.apply_times(writes) else None


def _adapter(action: Action) -> str:
    return str(action.arguments["adapter"])


def _told(receipt: Receipt) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(receipt)
    return told


def _partly(node: NodePlan, staged: Staged) -> DeviceRefused:
    told = "; ".join(f"{name}: {why}" for name, why in staged.refused.items())
    return DeviceRefused(
        f"it took {', '.join(staged.accepted) or 'nothing'} and refused {told}",
        operation="set BIOS",
        subject=node.name,
        code="PropertiesRefused",
        status=400,
        next_step="take the refused attributes out of the baseline, or correct their values.",
    )
