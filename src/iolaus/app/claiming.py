"""What known packages say of the versions that an attester's controller reports.

It stands beside the verdict as a finding with its own label, and touches no axis: a version that is
known proves nothing, and one that no package holds is told to a person and not held against a
component that proved what it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from iolaus.app.links import vouches
from iolaus.model.appraisal import Appraisal
from iolaus.model.asset import Firmware
from iolaus.model.claims import Packages, finding_of
from iolaus.model.reference import KeptReference
from iolaus.model.trust import Finding
from iolaus.store.facts import Facts

MOST: Final = 16


class Claiming:
    """`references` gives all that is kept, packages among it; `revision` is another number
    whenever that is another."""

    def __init__(
        self,
        *,
        facts: Facts,
        references: Callable[[], Mapping[str, KeptReference]],
        revision: Callable[[], int],
    ) -> None:
        self._facts, self._references, self._revision = facts, references, revision
        self._packages, self._read = Packages(()), -1
        self._seen: dict[str, tuple[Firmware, ...]] = {}

    def of(self, held: Appraisal) -> Sequence[Finding]:
        """Of the firmware that an attester vouches for, in the inventory's order."""
        packages = self._settled()
        report = self._facts.report_of(held.endpoint) if packages else None
        if report is None:
            return ()
        attester = next((each for each in report.attesters if each.uri == held.uri), None)
        mine = (
            each
            for each in report.firmware
            if each.asset == held.key and not each.bank and vouches(each, attester, held)
        )
        found = (packages.claim(each) for each in mine)
        return tuple(finding_of(each) for each in found if each is not None)[:MOST]

    def is_other(self, address: str) -> bool:
        """Whether the inventory of an endpoint is another than when this was asked last."""
        report = self._facts.report_of(address)
        now = report.firmware if report else ()
        before = self._seen.get(address)
        if report is None:
            self._seen.pop(address, None)
        else:
            self._seen[address] = now
        return before != now

    def _settled(self) -> Packages:
        if self._read != (revision := self._revision()):
            self._packages = Packages(self._references().values())
            self._read = revision
        return self._packages
