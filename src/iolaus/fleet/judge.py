"""How a node departs from its baselines. Pure; one node at a time; compiled once a baseline.

What is compared is what a baseline names. A value that cannot be read, a version that does not
parse, a node that is not heard: unknown, with the reason. Where a make has no such component,
absent, which is no departure. Only departures become values; what is right is counted, because
of two million comparisons in a large hall nearly all are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.judge_certificate import Authorities, judge_certificate
from iolaus.fleet.window import parse_duration
from iolaus.model.asset import Firmware, ManagerSetting, Setting
from iolaus.model.desired import (
    Baseline,
    BaselineSpec,
    BmcWant,
    ComponentWant,
    Excused,
    NodeSelector,
    words,
)
from iolaus.model.drift import Item, NodeDrift, Outcome
from iolaus.model.select import MISSING, Lookup, Selector, parse_selector
from iolaus.model.version import Verdict, parse_constraint, satisfies

MEMORY: Final = 50_000
LOGIN: Final = "credential/login"
LOGIN_AGE: Final = "credential/age"
NOT_OURS: Final = (
    "its password was not given by Iolaus, so its age is not known; iolaus rotate gives a new one"
)
Wanted = Mapping[str, Any]


class Judge:
    """Judges nodes against a set of baselines. `judge` is pure."""

    def __init__(
        self, baselines: Iterable[Baseline], authorities: Authorities | None = None
    ) -> None:
        every = sorted(baselines, key=lambda b: b.name)
        self._compiled = [_Compiled(each, authorities or {}) for each in every]

    def baselines_for(self, facts: NodeFacts) -> tuple[str, ...]:
        return tuple(c.name for c in self._compiled if c.selects(facts))

    def turns_at(self, facts: NodeFacts, *, now: float) -> float | None:
        """When time alone makes a departure of it next, seconds since 1970; None: never."""
        mine = (each.ages_at(facts) for each in self._compiled if each.selects(facts))
        return min((at for at in mine if at is not None and at > now), default=None)

    def judge(self, facts: NodeFacts, *, now: float) -> NodeDrift | None:
        """The node's departures; None if no baseline selects it."""
        mine = [each for each in self._compiled if each.selects(facts)]
        if not mine:
            return None
        items: list[Item] = []
        compared = 0
        for each in mine:
            count, found = each.judge(facts, now=now)
            compared += count
            items += found
        if len(mine) > 1:
            items += _clashes(mine, facts)
        return NodeDrift(
            uid=facts.uid,
            name=facts.name,
            baselines=tuple(each.name for each in mine),
            items=tuple(items),
            compared=compared,
            observed_at=facts.observed_at,
            judged_at=now,
        )


class Subject(NamedTuple):
    """What one wanted component is called in findings and in `after`."""

    word: str
    want: ComponentWant

    @property
    def name(self) -> str:
        return f"firmware/{self.word}"


def subjects(spec: BaselineSpec) -> list[Subject]:
    """The wanted components with their words: the component, else the kind, else a number."""
    found = []
    for number, want in enumerate(spec.firmware.components, start=1):
        named = words(want.match.component) or words(want.match.kind) or (f"component-{number}",)
        found.append(Subject("+".join(named), want))
    return found


def component_matches(want: ComponentWant, entry: Firmware, facts: NodeFacts) -> bool:
    """Whether this entry of the node's firmware inventory is meant. Other banks never are."""
    match = want.match
    if entry.bank:
        return False
    component, kind = words(match.component), words(match.kind)
    if component and not any(_is_called(word, entry) for word in component):
        return False
    if kind and entry.kind not in kind:
        return False
    return _among(entry.vendor or facts.fields.get("vendor"), words(match.vendor)) and _among(
        facts.fields.get("model"), words(match.model)
    )


def manager_wants(spec: BaselineSpec) -> dict[str, Any]:
    """The fixed names of manager settings, and what each should be."""
    found = _bmc_wants(spec.bmc)
    if spec.security.secure_boot is not None:
        found["secureBoot.enabled"] = spec.security.secure_boot == "required"
    return found


def _bmc_wants(want: BmcWant) -> dict[str, Any]:
    found: dict[str, Any] = {f"services.{name}": on for name, on in want.services.items()}
    if want.ntp is not None:
        found["ntp.servers"] = tuple(want.ntp)
        found["ntp.enabled"] = bool(want.ntp)
    if want.syslog is not None:
        found["syslog.host"] = want.syslog.host
        found |= _given(want.syslog, {"port": "syslog.port", "tls": "syslog.tls"})
    if want.accounts is not None:
        found |= _given(want.accounts, {"lockout_threshold": "accounts.lockoutThreshold"})
        if want.accounts.only is not None:
            found["accounts"] = tuple(sorted(want.accounts.only))
    if want.boot is not None and want.boot.order is not None:
        found["boot.order"] = tuple(want.boot.order)
    if want.power_restore_policy is not None:
        found["powerRestorePolicy"] = want.power_restore_policy
    return found


def compile_selector(selector: NodeSelector) -> Callable[[str, Lookup], bool]:
    """(name, lookup) -> whether it is selected. An empty selector selects nothing. Raises
    `OperatorMust` for an expression that does not parse."""
    parsed: Selector | None = parse_selector(selector.expression) if selector.expression else None
    pairs = tuple((key, value.casefold()) for key, value in selector.match_labels.items())

    def selects(name: str, look: Lookup) -> bool:
        if not pairs and parsed is None:
            return False
        for key, value in pairs:
            if not _is_like(look(key), value):
                return False
        return parsed is None or parsed.matches(name, look)

    return selects


class _Compiled:
    """One baseline, ready to judge many nodes."""

    def __init__(self, baseline: Baseline, authorities: Authorities) -> None:
        spec = baseline.spec
        self.name, self.spec, self._authorities = baseline.name, spec, authorities
        self._selects = compile_selector(spec.selector)
        self._subjects = subjects(spec)
        self._constraints = [parse_constraint(s.want.version) for s in self._subjects]
        self._meant: dict[tuple[str | None, ...], tuple[int, ...]] = {}
        self._verdicts: dict[tuple[int, str, str], Verdict] = {}
        self.bios_raw = dict(spec.bios.raw)
        self.bios_normal = dict(spec.bios.normalized)
        self._bios_names = self.bios_raw.keys() | self.bios_normal.keys()
        self.manager = manager_wants(spec)
        self._accounts = spec.bmc.accounts
        every = self._accounts.rotate_every if self._accounts is not None else None
        self._rotate_s = None if every is None else parse_duration(every)
        self._excuses = [_Excuse(each) for each in spec.exceptions]

    def selects(self, facts: NodeFacts) -> bool:
        return self._selects(facts.name, facts.lookup())

    def judge(self, facts: NodeFacts, *, now: float) -> tuple[int, list[Item]]:
        if facts.blind:
            return 0, [self._item("*", Outcome.UNKNOWN, "", facts.blind)]
        found: list[Item] = []
        count = self._firmware(facts, found)
        count += self._bios(facts.settings, found)
        count += self._manager(facts.manager, found)
        count += self._certificate(facts, found, now)
        if self._accounts is not None:
            count += self._login(facts, found, now)
        if found and self._excuses:
            found = [self._excused(item, facts, now) for item in found]
        return count, found

    def _item(self, subject: str, outcome: Outcome, desired: str, reason: str = "") -> Item:
        return Item(
            subject=subject, outcome=outcome, baseline=self.name, desired=desired, reason=reason
        )

    # --- firmware -----------------------------------------------------------------------------

    def _firmware(self, facts: NodeFacts, found: list[Item]) -> int:
        if not self._subjects:
            return 0
        count, seen = 0, [False] * len(self._subjects)
        vendor, model = facts.fields.get("vendor"), facts.fields.get("model")
        meant = self._meant
        for entry in facts.firmware:
            key = (entry.component, entry.name, entry.kind, entry.vendor, entry.bank, vendor, model)
            numbers = meant.get(key)
            if numbers is None:
                numbers = meant[key] = self._matching(entry, facts)
            for number in numbers:
                count += 1
                seen[number] = True
                if self._verdict(number, entry) is not Verdict.YES:
                    item = self._departure(number, entry)
                    found.append(_with_staged(item, self._subjects[number], entry, facts))
        if not all(seen):
            absent = [s for s, there in zip(self._subjects, seen, strict=True) if not there]
            found += [self._no_such(subject, facts) for subject in absent]
            count += len(absent)
        return count

    def _matching(self, entry: Firmware, facts: NodeFacts) -> tuple[int, ...]:
        """The numbers of the wanted components that mean this entry. Nodes of one make have the
        same entries, so this is worked out once for each and remembered."""
        if len(self._meant) > MEMORY:
            self._meant.clear()
        return tuple(
            number
            for number, subject in enumerate(self._subjects)
            if component_matches(subject.want, entry, facts)
        )

    def _verdict(self, number: int, entry: Firmware) -> Verdict:
        if entry.version is None:
            return Verdict.UNKNOWN
        key = (number, entry.version, entry.scheme)
        found = self._verdicts.get(key)
        if found is None:
            if len(self._verdicts) > MEMORY:
                self._verdicts.clear()
            scheme = self._subjects[number].want.scheme or entry.scheme
            found = satisfies(entry.version, self._constraints[number], scheme=scheme)
            self._verdicts[key] = found
        return found

    def _no_such(self, subject: Subject, facts: NodeFacts) -> Item:
        unread = next((u for u in facts.partial if "FirmwareInventory" in u), None)
        want = subject.want.version
        if unread is not None or not facts.firmware:
            why = facts.partial[unread] if unread else "it lists no firmware"
            return self._item(subject.name, Outcome.UNKNOWN, want, why)
        return self._item(subject.name, Outcome.ABSENT, want, "no such component here")

    def _departure(self, number: int, entry: Firmware) -> Item:
        subject, reason, outcome = self._subjects[number], "", Outcome.DRIFTED
        if entry.version is None:
            outcome, reason = Outcome.UNKNOWN, "the device does not say its version"
        elif self._verdict(number, entry) is Verdict.UNKNOWN:
            outcome = Outcome.UNKNOWN
            reason = "its version cannot be ordered; name its scheme in the baseline"
        return Item(
            subject=subject.name,
            outcome=outcome,
            baseline=self.name,
            desired=subject.want.version,
            applied=entry.version,
            reason=reason,
            part=entry.component,
            uri=entry.uri,
        )

    # --- settings -----------------------------------------------------------------------------

    def _bios(self, settings: Sequence[Setting], found: list[Item]) -> int:
        raw, normal = self.bios_raw, self.bios_normal
        if not raw and not normal:
            return 0
        seen, there = 0, set[str]()
        for setting in settings:
            name = setting.name
            if name in raw:
                want = raw[name]
            elif setting.normal in normal:
                name = setting.normal
                want = _word_of(setting, normal[name])
            else:
                continue
            seen += 1
            there.add(name)
            value = setting.value
            if setting.staged is None and type(value) is type(want) and value == want:
                continue
            found += self._setting("bios", name, want, setting)
        missing = () if len(there) == len(self._bios_names) else sorted(self._bios_names - there)
        for name in missing:
            desired = say({**normal, **raw}[name])
            why = "this make has no such name" if name in normal else "it shows no such attribute"
            found.append(self._item(f"bios/{name}", Outcome.UNKNOWN, desired, why))
        return seen + len(missing)

    def _manager(self, settings: Sequence[ManagerSetting], found: list[Item]) -> int:
        if not self.manager:
            return 0
        missing = dict(self.manager)
        for setting in settings:
            want = self.manager.get(setting.name)
            if want is None:
                continue
            missing.pop(setting.name, None)
            value = _sorted(setting.value) if setting.name == "accounts" else setting.value
            if setting.staged is None and _equal(value, want):
                continue
            found += self._setting("bmc", setting.name, want, setting)
        for name, want in missing.items():
            why = "the device does not show it"
            found.append(self._item(f"bmc/{name}", Outcome.UNKNOWN, say(want), why))
        return len(self.manager)

    def _certificate(self, facts: NodeFacts, found: list[Item], now: float) -> int:
        want = self.spec.bmc.certificate
        if want is None or not facts.answers:
            return 0
        item = judge_certificate(want, facts, self._authorities, baseline=self.name, now=now)
        found += [item] if item is not None else []
        return 1

    def _setting(
        self, room: str, name: str, want: Any, setting: Setting | ManagerSetting
    ) -> Iterator[Item]:
        outcome, reason = _compare(setting, want)
        if outcome is None:
            return
        yield Item(
            subject=f"{room}/{name}",
            outcome=outcome,
            baseline=self.name,
            desired=say(want),
            applied=None if setting.value is None else say(setting.value),
            staged=None if setting.staged is None else say(setting.staged),
            reason=reason,
            part=setting.name,
            uri=setting.uri if isinstance(setting, ManagerSetting) else "",
        )

    # --- our own login ------------------------------------------------------------------------

    def ages_at(self, facts: NodeFacts) -> float | None:
        """When its password is older than it may be."""
        login = facts.credential
        if self._rotate_s is None or login is None or login.since is None:
            return None
        return login.since + self._rotate_s

    def _login(self, facts: NodeFacts, found: list[Item], now: float) -> int:
        """A device that fell back to another login, and a password that is too old."""
        login = facts.credential
        if login is None or not facts.answers:
            return 0
        if login.fallen:
            item = self._item(LOGIN, Outcome.DRIFTED, f"the password of {login.user}")
            applied = "another login, which it fell back to"
            found.append(msgspec.structs.replace(item, applied=applied, part=login.user))
        if self._rotate_s is None:
            return 1
        item, due = self._item(LOGIN_AGE, Outcome.UNKNOWN, self._rotation), self.ages_at(facts)
        if due is None:
            found.append(msgspec.structs.replace(item, reason=NOT_OURS, part=login.user))
        elif now >= due:
            found.append(
                msgspec.structs.replace(
                    item, outcome=Outcome.DRIFTED, applied="older", part=login.user
                )
            )
        return 2

    @property
    def _rotation(self) -> str:
        """What the baseline says of the age of passwords."""
        every = self._accounts.rotate_every if self._accounts is not None else None
        return f"at most {every}"

    def _excused(self, item: Item, facts: NodeFacts, now: float) -> Item:
        if item.outcome in (Outcome.UNKNOWN, Outcome.ABSENT):
            return item
        for excuse in self._excuses:
            if excuse.covers(item, facts):
                return excuse.applied_to(item, now)
        return item


class _Excuse:
    def __init__(self, excused: Excused) -> None:
        self.excused, self._selects = excused, compile_selector(excused.selector)
        self._ends = expires_at(excused.expires)

    def covers(self, item: Item, facts: NodeFacts) -> bool:
        named = any(fnmatchcase(item.subject, pattern) for pattern in self.excused.items)
        return named and self._selects(facts.name, facts.lookup())

    def applied_to(self, item: Item, now: float) -> Item:
        owner, day = self.excused.owner, self.excused.expires
        if now >= self._ends:
            reason = f"the exception of {owner} ended on {day}"
            return msgspec.structs.replace(item, reason=reason)
        why = f"{owner} until {day}" + (f": {self.excused.reason}" if self.excused.reason else "")
        return msgspec.structs.replace(item, outcome=Outcome.EXCUSED, reason=why)


def expires_at(text: str) -> float:
    """The end of the day, or the moment, in seconds since 1970. Raises `ValueError`."""
    if "T" in text:
        return datetime.fromisoformat(text).timestamp()
    return datetime.fromisoformat(f"{text}T00:00:00+00:00").replace(tzinfo=UTC).timestamp() + 86_400


def say(value: Any) -> str:
    """A value as a person writes it in a baseline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _compare(setting: Setting | ManagerSetting, want: Any) -> tuple[Outcome | None, str]:
    """None: as wanted."""
    value, staged = setting.value, setting.staged
    if value is None and staged is None:
        return Outcome.UNKNOWN, getattr(setting, "reason", "") or "the device does not say it"
    if staged is None:
        return (None, "") if _equal(value, want) else (Outcome.DRIFTED, "")
    if _equal(staged, want):
        return Outcome.STAGED, "it waits for a reset"
    return Outcome.DRIFTED, f"{say(staged)} waits for a reset"


def _with_staged(item: Item, subject: Subject, entry: Firmware, facts: NodeFacts) -> Item:
    """The same component's staged bank may hold what is wanted already."""
    if item.outcome is not Outcome.DRIFTED:
        return item
    waiting = [
        each.version
        for each in facts.firmware
        if each.bank == "staged" and each.kind and each.kind == entry.kind and each.version
    ]
    constraint = parse_constraint(subject.want.version)
    for version in waiting:
        if satisfies(version, constraint, scheme=subject.want.scheme) is Verdict.YES:
            return msgspec.structs.replace(
                item, outcome=Outcome.STAGED, staged=version, reason="it waits for a reset"
            )
    return item


def _clashes(mine: Sequence[_Compiled], facts: NodeFacts) -> Iterator[Item]:
    """Where two baselines of one node want different things."""
    said: dict[str, tuple[str, str]] = {}
    for each in mine:
        for subject, desired in _desires(each, facts):
            before = said.setdefault(subject, (each.name, desired))
            if before[1] != desired:
                yield Item(
                    subject=subject,
                    outcome=Outcome.CONFLICT,
                    baseline=each.name,
                    desired=desired,
                    reason=f"{before[0]} wants {before[1]}",
                )


def _desires(compiled: _Compiled, facts: NodeFacts) -> Iterator[tuple[str, str]]:
    for subject in subjects(compiled.spec):
        for entry in facts.firmware:
            if component_matches(subject.want, entry, facts):
                yield f"firmware/{entry.component}", subject.want.version
    for room, wanted in (
        ("bios", compiled.bios_raw),
        ("bios", compiled.bios_normal),
        ("bmc", compiled.manager),
    ):
        for name, value in wanted.items():
            yield f"{room}/{name}", say(value)


def _given(source: Any, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: getattr(source, field)
        for field, name in names.items()
        if getattr(source, field) is not None
    }


def _word_of(setting: Setting, wanted: Any) -> Any:
    """What the make calls the wanted value of a normalised name."""
    return dict(setting.words).get(say(wanted), wanted)


def _equal(value: Any, want: Any) -> bool:
    if type(value) is type(want):
        return bool(value == want)
    if isinstance(want, tuple) and isinstance(value, tuple | list):
        return tuple(value) == want
    return not isinstance(want, tuple) and say(value) == say(want)


def _sorted(value: Any) -> Any:
    return tuple(sorted(value)) if isinstance(value, tuple | list) else value


def _is_called(word: str, entry: Firmware) -> bool:
    if word == entry.kind:
        return True
    pattern = _folded(word)
    return fnmatchcase(_folded(entry.component), pattern) or _folded(entry.name) == pattern


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", text.casefold().strip())


def _among(value: str | None, allowed: Sequence[str]) -> bool:
    return not allowed or (value or "").casefold() in {each.casefold() for each in allowed}


def _is_like(value: object, wanted: str) -> bool:
    return value is not MISSING and value is not None and str(value).casefold() == wanted
