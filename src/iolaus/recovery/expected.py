"""What was expected, laid out for comparing; and who of the expected an appearance may be.

Two answers of different worth. What is seen from outside (an address, the MAC of a lease, the UUID
of the service root) only says which factory login to try: whoever answers there may be anybody.
Who it is, is judged by what it shows after that: the serial decides, and everything else that was
written must agree with it. A list is searched by what it is asked for, so that a hall of
thousands that is switched on at once costs a look-up for each. Pure.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from iolaus.model.expected import Expected, ExpectedHardware, ExpectedNode
from iolaus.store.identity import clean, clean_mac

_WORD: Final = re.compile(r"[^a-z0-9*?]+")


class Shown(NamedTuple):
    """What an endpoint shows of its node once somebody has logged in; "" where it says nothing."""

    serial: str = ""
    make: str = ""
    model: str = ""
    uuid: str = ""
    macs: tuple[str, ...] = ()


class Difference(NamedTuple):
    """One thing that is not as it was expected."""

    field: str
    expected: str
    seen: str


def laid_out(document: ExpectedHardware) -> Iterator[Expected]:
    """Every machine of a list, with the list's own words where it says nothing itself."""
    spec = document.spec
    for node in spec.nodes:
        yield Expected(
            list=document.name,
            name=node.name or node.serial,
            serial=node.serial,
            make=node.make or spec.make or "",
            model=node.model or spec.model or "",
            uuid=node.uuid or "",
            mac=clean_mac(node.mac) or "" if node.mac else "",
            address=node.address or "",
            fingerprint=(node.fingerprint or "").replace(":", "").lower(),
            credential=node.credential or spec.credential or "",
            baseline=node.baseline or spec.baseline or "",
            authority=spec.authority or "",
            approval=spec.approval,
            pins=spec.first_contact == "pin",
            attest=spec.attest == "required",
            labels=_labels(document, node),
            handover=spec.handover,
        )


def _labels(document: ExpectedHardware, node: ExpectedNode) -> dict[str, str]:
    said = {
        "role": node.role or document.spec.role,
        "rack": node.rack,
        "u": str(node.unit) if node.unit else None,
        "slot": node.slot,
    }
    given = {key: value for key, value in said.items() if value}
    return {**document.spec.labels, **given, **node.labels}


class Roll:
    """All that is expected, found by what it can be told by."""

    def __init__(self, every: Iterable[Expected] = ()) -> None:
        self.every = tuple(every)
        logins = {(each.credential, each.pins) for each in self.every}
        self._shares_login = len(logins) == 1 and bool(self.every[0].credential)
        self._by: dict[tuple[str, str], list[Expected]] = defaultdict(list)
        for each in self.every:
            told = {"mac": each.mac, "address": each.address, "name": each.name}
            told |= {"uuid": clean(each.uuid) or "", "serial": clean(each.serial) or ""}
            for sort, value in told.items():
                if value:
                    self._by[sort, value].append(each)

    def named(self, name: str) -> Expected | None:
        return self._one("name", name)

    def of_serial(self, serial: str) -> Expected | None:
        """The one of this serial; None where there is none, or where it says nothing."""
        return self._one("serial", clean(serial) or "")

    def hinted(self, *, mac: str = "", address: str = "", uuid: str = "") -> Expected | None:
        """Whom an appearance seems to be, by the surest sign first."""
        tokens = (("mac", clean_mac(mac) or ""), ("address", address), ("uuid", clean(uuid) or ""))
        for sort, value in tokens:
            if found := self._one(sort, value):
                return found
        return None

    def shared_login(self) -> Expected | None:
        """Somebody whose login all of them share; None where they have several, or one has none.
        With it an appearance can be looked at of which nothing else is known."""
        return self.every[0] if self._shares_login else None

    def _one(self, sort: str, value: str) -> Expected | None:
        found = self._by.get((sort, value), []) if value else []
        return found[0] if len(found) == 1 else None


def differences(want: Expected, shown: Shown, *, mac: str = "") -> list[Difference]:
    """What contradicts the list; empty when it is exactly what was expected. `mac` is of the
    lease that it appeared by. What the list leaves open, or what a device does not say beside its
    serial, contradicts nothing."""
    found = []
    if clean(shown.serial) != clean(want.serial):
        found.append(Difference("serial", want.serial, shown.serial))
    for field, wanted, seen in (
        ("make", want.make, shown.make),
        ("model", want.model, shown.model),
    ):
        if wanted and not alike(wanted, seen):
            found.append(Difference(field, wanted, seen))
    if want.uuid and clean(shown.uuid) and clean(want.uuid) != clean(shown.uuid):
        found.append(Difference("uuid", want.uuid, shown.uuid))
    if want.mac and mac and clean_mac(mac) != want.mac:
        found.append(Difference("mac", want.mac, mac))
    return found


def alike(wanted: str, seen: str) -> bool:
    """Whether a name of a make or model is the one that was meant: by its words, `*` and `?`
    allowed in what was written."""
    return fnmatchcase(_folded(seen), _folded(wanted))


def _folded(text: str) -> str:
    return " ".join(_WORD.sub(" ", text.lower()).split())
