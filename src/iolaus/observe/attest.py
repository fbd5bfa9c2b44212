"""Asks every component that can attest to prove what it runs, and keeps all that came of it.

One key an endpoint, served by the one loop: its attesters one after the other, since a controller
carries each question over a slow bus, and the lane is shared with everybody else. Each question
has a nonce of its own that is used once. What is kept is what came: judging is another room's.

Asking is a POST. It changes nothing, but an endpoint that nobody said managed is promised that it
is only read; so there it is asked only when an operator orders it by name, and what a GET shows
(chains, who could attest) is kept all the same.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from iolaus.drivers.ports import Asked, GivesEvidence, Priority, Reads, Signed, Writes
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent
from iolaus.model.asset import Report
from iolaus.model.endpoint import EndpointStatus, Mode, Reach, Target
from iolaus.model.evidence import (
    NONCE_SIZE,
    Attester,
    Exhibit,
    Outcome,
    Question,
    Shown,
)
from iolaus.model.evidence import Protocol as Speaks
from iolaus.observe.collect import Key

log = structlog.get_logger(__name__)
READ_ONLY: Final = "its endpoint is read-only, and asking is a POST: order it with iolaus attest"
NOT_OFFERED: Final = "the controller advertises no way to ask for signed measurements"
DISABLED: Final = "attesting is switched off at the component"


class AttestRules(msgspec.Struct, frozen=True, kw_only=True):
    """`period_s` lies between two rounds of an endpoint (spread by its address), `settle_s`
    between a change of firmware and the round that it calls for. A question has `patience_s`
    from being sent to its task's end, looked at every `look_s`."""

    period_s: float = 3600.0
    settle_s: float = 5.0
    patience_s: float = 180.0
    look_s: float = 1.0
    retry_s: float = 300.0


class Device(Protocol):
    """One device through its lane."""

    async def driver(self) -> GivesEvidence: ...

    def at(self, priority: Priority) -> Reads: ...

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Writes: ...


class Picture(Protocol):
    """What is known of endpoints."""

    def target_of(self, address: str) -> Target | None: ...

    def status_of(self, address: str) -> EndpointStatus | None: ...

    def report_of(self, address: str) -> Report | None: ...

    def uid(self, address: str, key: str) -> str | None: ...


class Keeps(Protocol):
    """Where exhibits go: durable when it returns."""

    async def keep(self, exhibits: Sequence[Exhibit]) -> None: ...


class Attestor:
    """Asks on a schedule, and when somebody orders it. `draw` makes nonces (bytes of a size)."""

    def __init__(
        self,
        *,
        picture: Picture,
        open_device: Callable[[Target], Device],
        keeps: Keeps,
        clock: Clock,
        wake: Callable[[Key, float], None],
        rules: AttestRules | None = None,
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._picture, self._open, self._keeps, self._clock = picture, open_device, keeps, clock
        self._wake, self.rules, self._draw = wake, rules or AttestRules(), draw
        self._ordered: set[str] = set()

    def order(self, key: Key) -> None:
        """An operator wants an endpoint asked now, whatever its mode."""
        self._ordered.add(key.address)
        self._wake(key, 0.0)

    async def reconcile(self, key: Hashable) -> float | None:
        """One round over an endpoint; seconds to the next, None where there is nobody to ask."""
        assert isinstance(key, Key)
        target, report = self._picture.target_of(key.address), self._picture.report_of(key.address)
        if target is None or report is None or not report.attesters:
            self._ordered.discard(key.address)
            return None
        ordered = key.address in self._ordered
        self._ordered.discard(key.address)
        found = await self._round(target, report, ordered=ordered)
        await self._keeps.keep(found)
        if any(each.outcome is Outcome.UNREACHABLE for each in found):
            return min(self.rules.retry_s, self.rules.period_s)
        return self.rules.period_s * (0.9 + 0.2 * _phase(key.address))

    async def _round(self, target: Target, report: Report, *, ordered: bool) -> list[Exhibit]:
        """Every attester asked once. One that is silent is silent for all: they share a wire."""
        found: list[Exhibit] = []
        silence = self._silence(target.address)
        for attester in report.attesters:
            began = self._clock.now()
            if silence:
                exhibit = self._exhibit(target, report, attester, began)
                exhibit = _failed(exhibit, Outcome.UNREACHABLE, silence)
            else:
                may_ask = ordered or target.mode is Mode.MANAGED
                exhibit = await self._ask(target, report, attester, may_ask=may_ask)
                if exhibit.outcome is Outcome.UNREACHABLE:
                    silence = exhibit.why
            found.append(exhibit)
        return found

    def _silence(self, address: str) -> str:
        """Why there is no use in asking; empty when it answered last."""
        status = self._picture.status_of(address)
        if status is None or status.reach is Reach.REACHABLE:
            return ""
        return status.last_error or f"its endpoint is {status.reach.value}"

    async def _ask(
        self, target: Target, report: Report, attester: Attester, *, may_ask: bool
    ) -> Exhibit:
        exhibit = self._exhibit(target, report, attester, self._clock.now())
        device = self._open(target)
        try:
            driver = await device.driver()
            shown = await driver.read_shown(device.at(Priority.INVENTORY), attester)
            exhibit = msgspec.structs.replace(exhibit, shown=shown)
            if why := _why_not(attester, may_ask=may_ask):
                return _failed(exhibit, Outcome.NONE, why)
            return await self._signed(device, driver, exhibit)
        except DeviceSilent as error:
            return _failed(exhibit, Outcome.UNREACHABLE, error.message)
        except DeviceRefused as error:
            return _failed(exhibit, Outcome.NONE, error.message)
        except DeviceLied as error:
            return _failed(exhibit, Outcome.MALFORMED, error.message)

    async def _signed(self, device: Device, driver: GivesEvidence, exhibit: Exhibit) -> Exhibit:
        attester = exhibit.attester
        question = Question(nonce=self._draw(min(NONCE_SIZE, attester.nonce_size)))
        exhibit = msgspec.structs.replace(exhibit, question=question, asked_at=self._clock.now())
        writer = device.writer(Priority.INVENTORY, deadline_s=self.rules.patience_s)
        asked = await driver.ask_signed(writer, attester, question, chain=exhibit.shown.chain)
        signed = await self._answer(device.at(Priority.INVENTORY), driver, asked)
        if signed is None:
            why = f"its task was not over after {self.rules.patience_s:g} s"
            return _failed(exhibit, Outcome.UNREACHABLE, why)
        return msgspec.structs.replace(
            exhibit,
            outcome=Outcome.ANSWERED,
            answered_at=self._clock.now(),
            measurements=signed.measurements,
            claimed=signed.claimed,
        )

    async def _answer(self, reads: Reads, driver: GivesEvidence, asked: Asked) -> Signed | None:
        """Looked at until it is there; None when patience is at its end."""
        until = self._clock.monotonic() + self.rules.patience_s
        while (signed := await driver.read_signed(reads, asked)) is None:
            if self._clock.monotonic() >= until:
                return None
            await self._clock.sleep(self.rules.look_s)
        return signed

    def _exhibit(self, target: Target, report: Report, attester: Attester, at: float) -> Exhibit:
        uid = self._picture.uid(target.address, attester.asset)
        return Exhibit(
            endpoint=target.address,
            asset=uid or attester.asset,
            attester=attester,
            asked_at=at,
            answered_at=None,
            outcome=Outcome.NONE,
            shown=Shown(),
            versions=dict(_versions(report, attester)),
        )


def _why_not(attester: Attester, *, may_ask: bool) -> str:
    """Why it is not asked; empty when it is."""
    if attester.protocol is Speaks.OTHER or not attester.action:
        return NOT_OFFERED
    if attester.enabled is False:
        return DISABLED
    return "" if may_ask else READ_ONLY


def _failed(exhibit: Exhibit, outcome: Outcome, why: str) -> Exhibit:
    return msgspec.structs.replace(exhibit, outcome=outcome, why=why[:400])


def _versions(report: Report, attester: Attester) -> Iterable[tuple[str, str]]:
    """What the inventory reports of the asset's firmware."""
    for each in report.firmware:
        if each.asset == attester.asset and each.version is not None:
            yield each.component, each.version


def _phase(address: str) -> float:
    """A fixed place in [0, 1) for every address."""
    return (zlib.crc32(f"attest {address}".encode()) % 10_000) / 10_000
