"""What is to be done at one node, before it is put into steps - or why nothing is.

A node is brought to its baseline whole or not at all: one image that is missing, one downgrade that
is not allowed, and nothing of it is touched. Only what is unknown is left aside, and said: it is
neither right nor wrong, and the rest need not wait for it, unless it comes `after` it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.images import Choice, Image, Missing, choose, choose_old
from iolaus.fleet.judge import Subject, component_matches, manager_wants, say, subjects
from iolaus.fleet.order import answers_to, order_of
from iolaus.fleet.renewal import Renewal, renewal_of
from iolaus.model.asset import AssetKind, Firmware, ManagerSetting, Setting
from iolaus.model.desired import ApplyTime, ComponentWant, Kept
from iolaus.model.drift import Item, NodeDrift, Outcome
from iolaus.model.plan import Fate
from iolaus.model.version import compare, parse_constraint

HOSTS: Final = frozenset({AssetKind.NODE.value, AssetKind.DPU.value, AssetKind.SWITCH.value})
"""Kinds with an operating system that a reset of power restarts."""
APPLIED_AT_START: Final = frozenset({"secureBoot.enabled"})
"""Settings of a manager that the next start of the host applies."""
CREDENTIAL: Final = "credential/"
SELF: Final = ""
MANAGER: Final = "manager"
GRACEFUL: Final = "GracefulRestart"
_SELF_CONTAINED: Final = frozenset({"psu", "battery"})
_RESETS: Final[Mapping[str, str]] = {
    "none": SELF,
    "manager": MANAGER,
    "graceful": GRACEFUL,
    "force": "ForceRestart",
    "powercycle": "PowerCycle",
}
_MENDED: Final = (Outcome.DRIFTED, Outcome.STAGED)


class Halt(NamedTuple):
    """Nothing is done with the node."""

    fate: Fate
    reason: str


class Flash(msgspec.Struct, frozen=True, kw_only=True):
    """One image onto parts that run the same version. `number` is the subject's; `way` is what
    activates it: "" (it does so itself), "manager", or a Redfish ResetType of the host; `image`
    None: it is staged already; `old` brings back what was there (None: nothing known does), and
    so does the other bank of the manager `banks` ("": it has none); `force`: an older version is
    meant."""

    number: int
    word: str
    want: ComponentWant
    entries: tuple[Firmware, ...]
    way: str
    image: Choice | None = None
    old: Choice | None = None
    banks: str = ""
    force: bool = False

    @property
    def was(self) -> str:
        return self.entries[0].version or ""

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(entry.component for entry in self.entries)


class Picked(NamedTuple):
    """The image that is flashed, and the one that brings back what was there."""

    image: Choice
    old: Choice | None


class Change(NamedTuple):
    """One setting: from what is read to what is wanted. `old` None: it cannot be put back;
    `several`: more than one manager of the node shows this name, and `uri` says which is meant."""

    name: str
    old: Any
    new: Any
    uri: str = ""
    staged: bool = False
    several: bool = False

    @property
    def spot(self) -> str:
        """What it is called where it is read back."""
        return f"{self.name}@{self.uri}" if self.several else self.name


class NewPassword(NamedTuple):
    """The account's password of this number (1: the first that Iolaus gives)."""

    user: str
    number: int


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """`flashes` in order; `aside` says what is left as it is because it is unknown."""

    flashes: tuple[Flash, ...] = ()
    bios: tuple[Change, ...] = ()
    manager: tuple[Change, ...] = ()
    certificate: Renewal | None = None
    password: NewPassword | None = None
    aside: tuple[str, ...] = ()

    @property
    def disturbs(self) -> bool:
        """Whoever works on the node may notice: more is done than giving a password."""
        return bool(self.flashes or self.bios or self.manager or self.certificate)


class Wants:
    """A baseline made ready to plan many nodes. Raises `OperatorMust` for an order that is none."""

    def __init__(self, kept: Kept, images: Mapping[str, Image]) -> None:
        spec = kept.baseline.spec
        self.name, self.spec, self._images = kept.baseline.name, spec, images
        self._subjects = subjects(spec)
        self._names = [each.name for each in self._subjects]
        self._order = order_of(self._subjects, baseline=self.name)
        self._manager = manager_wants(spec)
        self._picked: dict[tuple[Any, ...], Picked | Halt] = {}

    def work_of(self, facts: NodeFacts, drift: NodeDrift) -> Work | Halt:
        """What is to be done at this node. Pure."""
        mine = [i for i in drift.items if i.baseline == self.name]
        if clash := next((i for i in drift.items if i.outcome is Outcome.CONFLICT), None):
            text = f"two baselines disagree about {clash.subject}: {clash.baseline} wants "
            return Halt(Fate.BLOCKED, f"{text}{clash.desired}, {clash.reason}")
        if not any(i.outcome in _MENDED for i in mine):
            return _nothing(mine)
        if not facts.managed:
            return Halt(Fate.BLOCKED, "its endpoint is read-only: nobody has said managed")
        found = self._flashes(facts, mine)
        if isinstance(found, Halt):
            return found
        return Work(
            flashes=found,
            bios=tuple(self._bios(facts, mine)),
            manager=tuple(self._settings(facts, mine)),
            certificate=renewal_of(
                self.spec.bmc.certificate, facts, [i for i in mine if i.outcome in _MENDED]
            ),
            password=_password(facts, mine),
            aside=tuple(_told(i) for i in mine if i.outcome is Outcome.UNKNOWN),
        )

    # --- firmware -----------------------------------------------------------------------------

    def _flashes(self, facts: NodeFacts, items: Sequence[Item]) -> tuple[Flash, ...] | Halt:
        by_part = {entry.component: entry for entry in facts.firmware}
        found: list[Flash] = []
        for number in self._order:
            subject = self._subjects[number]
            name = self._names[number]
            due = [
                (item, by_part[item.part])
                for item in items
                if item.subject == name
                and item.outcome in _MENDED
                and _is_of(item, subject, by_part, facts)
            ]
            if not due:
                continue
            if why := self._waits(subject, items):
                return Halt(Fate.BLOCKED, why)
            for item, entry in due:
                flash = self._flash(number, item, entry, facts)
                if isinstance(flash, Halt):
                    return flash
                _add(found, flash)
        return tuple(found)

    def _waits(self, subject: Subject, items: Iterable[Item]) -> str:
        """By what it is held: something it comes after that will not be at its version."""
        open_ = [i for i in items if i.outcome in (Outcome.UNKNOWN, Outcome.EXCUSED)]
        for word in subject.want.after:
            called = {each.name for each in self._subjects if answers_to(each, word)}
            if stays := next((i for i in open_ if i.subject in called), None):
                return f"{subject.word} comes after {word}, and that is {_told(stays)}"
        return ""

    def _flash(self, number: int, item: Item, entry: Firmware, facts: NodeFacts) -> Flash | Halt:
        subject, model = self._subjects[number], facts.fields.get("model")
        want = subject.want
        staged = item.outcome is Outcome.STAGED
        way = _way(want, entry, facts, staged=staged)
        flash = Flash(number=number, word=subject.word, want=want, entries=(entry,), way=way)
        if staged:
            return flash
        if entry.updateable is False:
            return Halt(Fate.BLOCKED, f"the device says that {entry.component} takes no update")
        picked = self._pick(number, entry, model)
        if isinstance(picked, Halt):
            return picked
        force = self.spec.firmware.allow_downgrade
        banks = _banks_of(entry, facts)
        return msgspec.structs.replace(
            flash, image=picked.image, old=picked.old, banks=banks, force=force
        )

    def _pick(self, number: int, entry: Firmware, model: str | None) -> Picked | Halt:
        """The images of a component: worked out once for all nodes that are alike."""
        key = (number, entry.component, entry.kind, entry.version, entry.scheme, model)
        found = self._picked.get(key)
        if found is None:
            want = self._subjects[number].want
            found = self._picked[key] = self._picked_anew(want, entry, model)
        return found

    def _picked_anew(
        self, want: ComponentWant, entry: Firmware, model: str | None
    ) -> Picked | Halt:
        image = choose(want, entry, self._images, model=model)
        if isinstance(image, Missing):
            return Halt(Fate.NO_IMAGE, image.reason)
        if not self.spec.firmware.allow_downgrade and (why := _falls(want, entry, image)):
            return Halt(Fate.BLOCKED, why)
        scheme = want.scheme or entry.scheme
        return Picked(image, choose_old(entry, self._images, model=model, scheme=scheme))

    # --- settings -----------------------------------------------------------------------------

    def _bios(self, facts: NodeFacts, items: Iterable[Item]) -> Iterable[Change]:
        due = {i.part: i for i in items if i.subject.startswith("bios/") and i.outcome in _MENDED}
        if not due:
            return
        for setting in facts.settings:
            if item := due.get(setting.name):
                yield _change(setting, self._bios_want(setting), item)

    def _bios_want(self, setting: Setting) -> Any:
        bios = self.spec.bios
        if setting.name in bios.raw:
            return bios.raw[setting.name]
        wanted = bios.normalized[setting.normal]
        return dict(setting.words).get(say(wanted), wanted)

    def _settings(self, facts: NodeFacts, items: Iterable[Item]) -> Iterable[Change]:
        """Of each manager that shows it: two of one node may share a name."""
        mine = [i for i in items if i.subject.startswith("bmc/") and i.outcome in _MENDED]
        due = {(i.part, i.uri): i for i in mine}
        shown = Counter(each.name for each in facts.manager) if due else Counter[str]()
        for setting in facts.manager if due else ():
            if item := due.pop((setting.name, setting.uri), None):
                change = _change(setting, self._manager[setting.name], item)
                yield change._replace(several=shown[setting.name] > 1)


def _password(facts: NodeFacts, items: Iterable[Item]) -> NewPassword | None:
    due = any(i.subject.startswith(CREDENTIAL) and i.outcome in _MENDED for i in items)
    login = facts.credential
    return NewPassword(login.user, login.number + 1) if due and login is not None else None


def _is_of(item: Item, subject: Subject, by_part: Mapping[str, Firmware], facts: NodeFacts) -> bool:
    """Several wants may have one word, each for another make."""
    if item.desired != subject.want.version or item.part not in by_part:
        return False
    return component_matches(subject.want, by_part[item.part], facts)


def _nothing(items: Sequence[Item]) -> Halt:
    """Nothing is wrong for certain."""
    for outcome, fate, word in (
        (Outcome.UNKNOWN, Fate.BLOCKED, "unknown"),
        (Outcome.EXCUSED, Fate.NO_OP, "excused"),
    ):
        if found := next((i for i in items if i.outcome is outcome), None):
            return Halt(fate, _told(found) if found.subject != "*" else f"{word}: {found.reason}")
    return Halt(Fate.NO_OP, "as the baseline says")


def _told(item: Item) -> str:
    return f"{item.outcome.value}: {item.subject} ({item.reason})"


def _add(found: list[Flash], flash: Flash) -> None:
    """One image goes to all parts at once that run the same version; but supplies, which carry a
    node together, go one after the other."""
    last = found[-1] if found else None
    same = (
        last is not None
        and last.image is not None
        and (
            (last.number, last.image, last.was, last.way, last.banks)
            == (flash.number, flash.image, flash.was, flash.way, flash.banks)
        )
    )
    if last is not None and same and flash.entries[0].kind != "psu":
        found[-1] = msgspec.structs.replace(last, entries=last.entries + flash.entries)
    else:
        found.append(flash)


def _banks_of(entry: Firmware, facts: NodeFacts) -> str:
    """The manager that can be told to boot what is there now: it shows another bank, which holds
    something and is the one that a flash writes, and takes a reset."""
    if entry.kind != "bmc" or entry.bank or "manager.reset" not in facts.capabilities:
        return ""
    others = [e for e in facts.firmware if e.booted_by == entry.booted_by and e.bank == "backup"]
    return entry.booted_by if len(others) == 1 and others[0].version else ""


def _way(want: ComponentWant, entry: Firmware, facts: NodeFacts, *, staged: bool) -> str:
    """What activates it: what the baseline says, else by its class."""
    if want.reset:
        return _RESETS[want.reset]
    at_once = want.apply_time is ApplyTime.IMMEDIATE and not staged
    if entry.kind in _SELF_CONTAINED and not staged:
        return SELF
    if entry.kind == "bmc" or facts.kind not in HOSTS:
        return SELF if at_once else MANAGER
    return GRACEFUL


def _falls(want: ComponentWant, entry: Firmware, image: Choice) -> str:
    """Why it may be a downgrade; empty: it certainly is none."""
    scheme, was = want.scheme or entry.scheme, entry.version or ""
    constraint = parse_constraint(want.version)
    if image.version is not None:
        order = compare(image.version, was, scheme=scheme)
        told = image.version
    else:
        order = next(
            (1 if term.op[0] == ">" else -1 for term in constraint.terms if term.op[0] in "<>"
             and _fails(term.op, compare(was, term.version, scheme=scheme))),
            None,
        )  # fmt: skip
        told = want.version
    if order is None:
        return (
            f"whether {told} is newer than {was} ({entry.component}) is not certain: name its "
            "scheme, or allow downgrades"
        )
    return f"{entry.component} would fall from {was} to {told}" if order < 0 else ""


def _fails(op: str, order: int | None) -> bool:
    return order is not None and ((order < 0) if op[0] == ">" else (order > 0))


def _change(setting: Setting | ManagerSetting, wanted: Any, item: Item) -> Change:
    uri = setting.uri if isinstance(setting, ManagerSetting) else ""
    staged = item.outcome is Outcome.STAGED
    return Change(setting.name, _plain(setting.value), _plain(wanted), uri, staged)


def _plain(value: Any) -> Any:
    """As JSON has it, so that a plan that was kept and read again is the same plan."""
    return list(value) if isinstance(value, tuple) else value
