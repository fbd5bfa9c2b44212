"""A hand-written port of onboarding: lists are kept, candidates appear, and nothing is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from iolaus.kernel.errors import OperatorMust
from iolaus.model.candidate import Appearance, Candidate, Given, appeared
from iolaus.model.expected import ExpectedHardware, KeptExpected
from iolaus.model.retirement import Retirement, Wiped
from iolaus.north.onboarding import Progressed
from iolaus.observe.targets import normalise
from iolaus.recovery.expected import Roll, laid_out
from iolaus.recovery.onboard import Seen, judge, name_of

RETIRED = Retirement(
    plan="0123456789ab",
    node="n1",
    uid="u1",
    address="https://10.0.0.1",
    serial="A1",
    make="Dell",
    model="M1",
    at=1.0,
    by="ana",
    items=(Wiped(what="logs", outcome="proved"),),
)


class Reception:
    """`north`'s port `Onboards`, in memory."""

    def __init__(self) -> None:
        self._lists: dict[str, KeptExpected] = {}
        self._there: dict[str, Candidate] = {}

    def lists(self) -> Mapping[str, KeptExpected]:
        return self._lists

    async def put_list(
        self, document: ExpectedHardware, *, by: str, source: str, keep: bool = True
    ) -> KeptExpected:
        kept = KeptExpected(document=document, generation=1, at=1.0, by=by, source=source)
        if keep:
            self._lists[document.name] = kept
        return kept

    async def remove_list(self, name: str) -> KeptExpected | None:
        return self._lists.pop(name, None)

    async def appear(self, found: Iterable[Appearance]) -> int:
        before = len(self._there)
        for each in found:
            address = normalise(each.address)
            told = msgspec.structs.replace(each, address=address)
            self._there[address] = appeared(self._there.get(address), told)
        return len(self._there) - before

    def progressed(self) -> Sequence[Progressed]:
        roll = Roll(e for kept in self._lists.values() for e in laid_out(kept.document))
        found = []
        for candidate in self._there.values():
            seen = Seen(candidate=candidate, expected=roll.hinted(address=candidate.address))
            found.append(Progressed(name=name_of(seen), candidate=candidate, standing=judge(seen)))
        return found

    async def approve(self, name: str, *, by: str, fingerprint: str = "") -> str:
        self._keep(name, approved=Given(by=by, at=1.0))
        return f"candidate/{name} is approved"

    async def approve_list(self, name: str, *, by: str) -> str:
        if name not in self._lists:
            _missing(f"expected/{name}")
        return f"list {name} is approved by {by}"

    async def reject(self, name: str, *, by: str, reason: str) -> None:
        self._keep(name, rejected=Given(by=by, at=1.0, reason=reason))

    async def retry(self, name: str, *, by: str) -> None:
        del by
        self._keep(name, rejected=None)

    async def recommission(self, name: str, *, by: str) -> None:
        del by
        self._keep(name, retired="")

    async def handed(self, name: str, *, to: str, by: str) -> None:
        del by
        self._keep(name, handed_to=to)

    async def documents(
        self, name: str, *, to: str, namespace: str, login: bool
    ) -> Sequence[Mapping[str, Any]]:
        self._keep(name)
        return [{"kind": to, "namespace": namespace, "login": login}]

    def retirements(self) -> Sequence[Retirement]:
        return [RETIRED]

    def _keep(self, name: str, **fields: object) -> None:
        for each in self.progressed():
            if each.name == name and each.candidate is not None:
                kept = msgspec.structs.replace(each.candidate, **fields)
                self._there[kept.address] = kept
                return
        _missing(f"candidate/{name}")


def _missing(subject: str) -> NoReturn:
    raise OperatorMust(
        "there is none of this name",
        operation="find",
        subject=subject,
        code="NotFound",
        next_step="list them with: iolaus get candidates",
    )
