"""The UpdateService of a simulated machine, as makers build it: push, fetch, task, flash, wait.

An image arrives by SimpleUpdate (fetched for real), by a multipart push or by a bare one, and is
answered with a task at once. What is refused at once is what a request says (nobody's target, a
time that is not known, another update under way); what an image is, the task finds out: for other
devices, damaged, unsigned, older than it may be. Then it goes to its components, is verified and
written there, and runs from the moment on that the component's kind has (see `memory.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from iolaus.sim.actions import set_power
from iolaus.sim.clock import holding
from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Push, Quiet, attentive
from iolaus.sim.firmware.banks import told_to_boot
from iolaus.sim.firmware.choose import Here, Item, Refusal, chosen
from iolaus.sim.firmware.fetch import Unfetchable, fetch
from iolaus.sim.firmware.forms import BadForm, form_of
from iolaus.sim.firmware.memory import Memory
from iolaus.sim.firmware.slots import is_older
from iolaus.sim.firmware.work import Wish, Work, paced
from iolaus.sim.outcome import Outcome
from iolaus.sim.personas.parts.flash import CONTROLLER, HOST, MAINS, NOW, Flash
from iolaus.sim.replies import refused
from iolaus.sim.tree import ROOT, Resource, canonical, links

MOST_BYTES: Final = 64 << 20
SIMPLE, START = "UpdateService.SimpleUpdate", "UpdateService.StartUpdate"
APPLY_TIME: Final = "@Redfish.OperationApplyTime"
ON_START: Final = "OnStartUpdateRequest"
PREPARE_S: Final = 10.0
BEFORE_RESTART_S: Final = 60.0
SYSTEMS: Final = f"{ROOT}/Systems/"


UPDATE: Final = "Update.1.0"
PROGRESS: Final = ("TransferringToComponent", "VerifyingAtComponent", "ApplyingOnComponent",
                   "InstallingOnComponent", "TargetDetermined", "UpdateInProgress")  # fmt: skip


class Updates(Quiet):
    """One device's. `flash` is what its persona says of it."""

    __slots__ = ("lit", "memory", "ready", "work")

    def __init__(self, flash: Flash) -> None:
        self.memory = Memory(flash)
        self.work: Work | None = None
        self.ready: Work | None = None
        self.lit: list[str] = []

    @property
    def flash(self) -> Flash:
        return self.memory.flash

    # what is asked

    def acted(self, device: Device, path: str, action: str, body: Resource) -> Outcome | None:
        if action == SIMPLE:
            return self._simple(device, body)
        if action == START:
            return self._start(device)
        if action.endswith(".Reset") and body.get("ResetType") == "FullPowerCycle":
            device.later(0.05, device.cycle_mains)
            return Outcome()
        del path
        return None

    def pushed(self, device: Device, push: Push) -> Outcome | None:
        if len(push.body) > MOST_BYTES:
            return Outcome(status=413)
        try:
            form = form_of(push)
        except BadForm as wrong:
            return refused(400, wrong.word, wrong.about)
        wish = self._wished(device, form.name, form.parameters)
        return wish if isinstance(wish, Outcome) else self._arrived(device, wish, form.image)

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        return told_to_boot(self.memory, device, ask)

    def _simple(self, device: Device, body: Resource) -> Outcome:
        uri = body.get("ImageURI")
        if not isinstance(uri, str) or not uri:
            return refused(400, "ActionParameterMissing", SIMPLE, "ImageURI")
        protocol = str(body.get("TransferProtocol", "HTTPS")).lower()
        uri = uri if "://" in uri else f"{protocol}://{uri}"
        wish = self._wished(device, uri.rpartition("/")[2] or uri, body)
        if isinstance(wish, Outcome):
            return wish
        work = self._open(device, wish)
        work.task.state = "Starting"
        work.coming = asyncio.get_running_loop().create_task(self._fetched(work, uri))
        return device.tasks.accepted(work.task)

    def _arrived(self, device: Device, wish: Wish, image: Any) -> Outcome:
        work = self._open(device, wish)
        work.then(paced(device, PREPARE_S), lambda: self._prepare(work, image))
        return device.tasks.accepted(work.task)

    def _wished(self, device: Device, name: str, said: Resource) -> Wish | Outcome:
        """What is asked for, or why not."""
        if self.work is not None and not self.work.over:
            return Outcome(status=503, message="ServiceTemporarilyUnavailable", args=("30",),
                           headers={"Retry-After": "30"})  # fmt: skip
        targets = said.get("Targets")
        if targets is not None and not isinstance(targets, list):
            return refused(400, "PropertyValueTypeError", str(targets)[:80], "Targets")
        for target in targets or ():
            if not isinstance(target, str) or device.kept(canonical(target)) is None:
                return refused(400, "ResourceMissingAtURI", str(target)[:200])
        time = said.get(APPLY_TIME)
        if time is not None and time not in self.flash.times:
            return refused(400, "PropertyValueNotInList", str(time)[:80], APPLY_TIME)
        return Wish(name=name[:200], targets=[canonical(t) for t in targets or ()],
                    force=said.get("ForceUpdate") is True, time=time)  # fmt: skip

    def _start(self, device: Device) -> Outcome:
        held, self.ready = self.ready, None
        if held is None:
            return refused(400, "ResourceInStandby")
        work = self._open(device, held.wish)
        work.items = held.items
        work.then(paced(device, PREPARE_S), lambda: self._transfer(work))
        return device.tasks.accepted(work.task)

    def _open(self, device: Device, wish: Wish) -> Work:
        device.tasks.outlive = self.flash.keeps_tasks
        task = device.tasks.open("Firmware update", seconds=1.0, state="New")
        self.work = Work(device=device, task=task, wish=wish)
        text = f"An update with '{wish.name}' has begun."
        attentive(device.effects).noted(
            device, "OK", text, "", {"MessageId": f"{UPDATE}.UpdateInProgress"}
        )
        self.work.say("TaskStarted", task.path.rpartition("/")[2])
        return self.work

    async def _fetched(self, work: Work, uri: str) -> None:
        try:
            with holding(work.device.clock):
                image = await fetch(uri, most_bytes=MOST_BYTES)
        except Unfetchable as wrong:
            work.fail("TransferFailed", "the update service", f"{str(wrong).capitalize()}.")
            self._end(work)
            return
        if not work.over:
            self._prepare(work, image)

    # its stages

    def _prepare(self, work: Work, image: Any) -> None:
        """What it is, and for whom; nothing has been written yet."""
        device, wish = work.device, work.wish
        here = self._meant(device, wish)
        try:
            if not here:
                raise Refusal("NoTargetsDetermined", "Nothing of that can be updated.")
            items = chosen(image, self.flash, here, anything="accepts-anything" in self.flaws)
            work.items = [item for item in items if self._allowed(work, item)]
        except Refusal as wrong:
            about = here[0].path if here else "the update service"
            work.fail(wrong.name, about, wrong.why)
        if work.failed or not work.items:
            self._end(work)
        elif wish.time == ON_START:
            work.each("AwaitToUpdate")
            self.ready = work
            self._end(work)
        else:
            self._transfer(work)

    def _meant(self, device: Device, wish: Wish) -> list[Here]:
        """Components that are targets, or belong to one."""
        found = self.memory.here(device)
        if not wish.targets:
            return found
        return [each for each in found if each.path in wish.targets or any(
            canonical(uri) in wish.targets
            for uri in links(device.kept(each.path) or {}, "RelatedItem")
        )]  # fmt: skip

    def _allowed(self, work: Work, item: Item) -> bool:
        """Whether the component takes this image, unless it says why not."""
        if "accepts-anything" in self.flaws:
            return True
        here, image, force = item.here, item.image, work.wish.force
        slot = self.memory.slot(work.device, here)
        if here.part.signed and image.payload:
            work.fail("VerificationFailed", here.path, "Its signature is not the maker's.")
        elif image.svn < slot.floor:
            why = f"Rollback protection: security version {image.svn} is below {slot.floor}."
            work.fail("ApplyFailed", here.path, why)
        elif here.part.hidden and "Off" in _power(work.device):
            work.fail("ApplyFailed", here.path, "The host is off.")
        elif not force and not here.part.downgrade and is_older(image.version, here.image.version):
            work.fail("ApplyFailed", here.path, "It is older than what runs; force it if wanted.")
        elif not force and image == here.image:
            work.say("UpdateSkipped", here.path, work.wish.name)
        else:
            return True
        return False

    def _transfer(self, work: Work) -> None:
        device, task = work.device, work.task
        whole = paced(device, max(item.here.part.seconds for item in work.items))
        task.state, task.seconds = "Running", device.clock.monotonic() - task.started_at + whole
        for item in work.items:
            work.say("TargetDetermined", item.here.path, work.wish.name)
        work.each("TransferringToComponent")
        work.then(whole * 0.5, lambda: self._verify(work, whole))

    def _verify(self, work: Work, whole: float) -> None:
        work.each("VerifyingAtComponent")
        work.then(whole * 0.1, lambda: self._write(work, whole))

    def _write(self, work: Work, whole: float) -> None:
        work.each("ApplyingOnComponent")
        if "ignored" not in self.flaws:
            work.writing = True
            for item in work.items:
                self.memory.begin(work.device, item)
        if "never-finishes" not in self.flaws:
            work.then(whole * 0.4, lambda: self._end(work))

    def _end(self, work: Work) -> None:
        """The task ends; what was written runs now or waits for its moment."""
        if work.over:
            return
        number = work.task.path.rpartition("/")[2]
        waits = {item.here.part.wakes for item in work.items} - {NOW}
        if work.writing:
            for item in work.items:
                self._said_last(work, item)
        elif not work.failed and work is not self.ready:
            for item in work.items:
                work.say("UpdateSuccessful", item.here.path, work.wish.name)
        work.say("TaskAborted" if work.failed else "TaskCompletedOK", number)
        for message in work.task.messages:
            _noted(work.device, message)
        work.stop()
        state, status = ("Exception", "Critical") if work.failed else ("Completed", "OK")
        done = self._finishing(work) if work.writing else _nothing
        work.device.tasks.end(work.task, done, state=state, status=status)
        time = work.wish.time or next(iter(self.flash.times), "")
        if work.writing and time == "Immediate" and CONTROLLER in waits:
            work.device.later(paced(work.device, BEFORE_RESTART_S), work.device.restart)

    def _said_last(self, work: Work, item: Item) -> None:
        if item.here.part.wakes == NOW:
            work.say("UpdateSuccessful", item.here.path, work.wish.name)
        else:
            work.say("AwaitToActivate", work.wish.name, item.here.path)

    def _finishing(self, work: Work) -> Callable[[], None]:
        def done() -> None:
            for item in work.items:
                self.memory.finish(work.device, item)
            self.memory.wake(work.device, NOW)

        return done

    # what happens meanwhile

    @property
    def flaws(self) -> set[str]:
        return self.memory.flaws

    def _cut(self) -> None:
        if self.work is not None:
            self.work.stop()
        self.work = self.ready = None

    def restarted(self, device: Device) -> None:
        self._cut()
        device.dead = not self.memory.wake(device, CONTROLLER, NOW)

    def booted(self, device: Device, path: str) -> None:
        del path
        self.memory.wake(device, HOST)

    def mains(self, device: Device, on: bool) -> None:
        self._cut()
        if not on:
            self.lit = [path for path, state in _powers(device) if state != "Off"]
            for path in self.lit:
                device.power_turns[path] = device.power_turns.get(path, 0) + 1
                set_power(device, path, "Off")
            return
        self.memory.recover(device)
        device.dead = False
        self.memory.wake(device, MAINS, HOST)
        for path in self.lit:
            if (device.kept(path) or {}).get("PowerRestorePolicy") != "AlwaysOff":
                set_power(device, path, "On")
        self.lit = []

    def written(
        self, device: Device, path: str, before: Resource | None, after: Resource | None
    ) -> None:
        if self.memory.shows or before is None or after is None:
            return
        if path.startswith(SYSTEMS) and "PowerState" in after:
            was, now = before.get("PowerState"), after["PowerState"]
            if was != now and now in ("On", "Off"):
                self.memory.hide(device, now == "On")
        elif path in device.running and after.get("Version") != before.get("Version"):
            device.running.pop(path)
            self.memory.slots.pop(path, None)

    def ended(self, device: Device) -> None:
        del device
        self._cut()

    def truth(self, device: Device) -> Resource:
        runs = {path.rpartition("/")[2]: image.version for path, image in device.running.items()}
        inventory = {each.path.rpartition("/")[2]: each.image.version
                     for each in self.memory.here(device)}  # fmt: skip
        busy = self.work is not None and not self.work.over
        return {"flash": self.memory.truth(device), "runs": inventory | runs, "updating": busy}


def _nothing() -> None:
    return


def _powers(device: Device) -> list[tuple[str, str]]:
    found = [canonical(uri) for uri in links(device.kept(f"{ROOT}/Systems") or {}, "Members")]
    return [(p, str((device.kept(p) or {}).get("PowerState", "On"))) for p in found]


def _power(device: Device) -> set[str]:
    return {state for _, state in _powers(device)}


def updates_of(flash: Flash | None) -> Updates | None:
    """The update service of one device; None if its kind has none."""
    return None if flash is None else Updates(flash)


def _noted(device: Device, message: Resource) -> None:
    """What came of an update is written down; how it went on its way is not."""
    prefix, _, name = str(message["MessageId"]).rpartition(".")
    if prefix == UPDATE and name not in PROGRESS:
        more = {word: message[word] for word in ("MessageId", "MessageArgs")}
        attentive(device.effects).noted(device, message["Severity"], message["Message"], "", more)
