"""Attestation, put together: who is asked and when, where evidence is kept, and who judges it.

Components are asked when they are first seen, on a period, after every change of firmware that was
seen at their endpoint, and when an operator orders it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from iolaus.kernel.clock import Clock
from iolaus.model.endpoint import Event, Target
from iolaus.observe.attest import Attestor, AttestRules, Device
from iolaus.observe.collect import Job, Key
from iolaus.store.state import State

FIRMWARE: Final = frozenset({"FirmwareChanged"})


class Attesting:
    """`wake` is the loops'."""

    def __init__(
        self,
        *,
        state: State,
        clock: Clock,
        open_device: Callable[[Target], Device],
        wake: Callable[[Key, float], None],
        rules: AttestRules,
    ) -> None:
        self._state, self._wake = state, wake
        self.attestor = Attestor(
            picture=state.facts,
            open_device=open_device,
            keeps=state.evidence,
            clock=clock,
            wake=wake,
            rules=rules,
        )
        self._begun: dict[str, frozenset[str]] = {}
        state.facts.on_change(self._note)

    def order(self, address: str) -> None:
        """Ask all of an endpoint's attesters now."""
        self.attestor.order(Key(address, Job.ATTEST))

    def _note(self, topic: str, payload: Any) -> None:
        if topic == "facts.report" and isinstance(payload, str):
            self._met(payload)
        elif topic == "events" and isinstance(payload, Event) and payload.kind in FIRMWARE:
            self._wake(Key(payload.endpoint, Job.ATTEST), self.attestor.rules.settle_s)

    def _met(self, address: str) -> None:
        """Attesters that were not there before are asked as soon as their turn comes."""
        report = self._state.facts.report_of(address)
        found = frozenset(each.uri for each in report.attesters) if report else frozenset()
        if found - self._begun.get(address, frozenset()):
            self._begun[address] = found
            self._wake(Key(address, Job.ATTEST), 0.0)
