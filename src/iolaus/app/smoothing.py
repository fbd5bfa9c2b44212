"""Swings of the site's power, smoothed by what its GPUs can do themselves.

The site's power is what its racks measure, looked at every half second; where one of them is older
than that, nothing was seen, and nothing is changed. When it changes faster than the policy allows,
all GPUs that can smooth are told a stronger profile, rack by rack as their mode permits; each is
read back; after a long calm a weaker one. Which were switched on by us is on disk before they are:
a server that starts again goes on with them, and switches off no setting of anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from iolaus.app.edge_hands import Device
from iolaus.drivers.ports import Priority, SmoothingWish, SmoothsPower
from iolaus.drivers.registry import smoothers
from iolaus.energy.centre import Centre
from iolaus.energy.decisions import ActuatorState, Decide
from iolaus.energy.policy import Mode, PowerPolicy
from iolaus.energy.swing import LEVELS, Smoothing, Swing
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import DeviceLied, IolausError, PolicyRefused
from iolaus.kernel.tasks import together
from iolaus.model.asset import ComponentKind
from iolaus.model.endpoint import Mode as Right
from iolaus.model.endpoint import Target
from iolaus.store.facts import Facts
from iolaus.store.kept import KeptFile

log = structlog.get_logger(__name__)
FILE: Final = "power-smoothing.json"
SAMPLE_S: Final = 0.5
AGAIN_S: Final = 60.0
AT_ONCE: Final = 16
WITHIN_S: Final = 10.0
KNOWN_S: Final = 3_600.0


class SmoothedGpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU that we told a level of `energy.swing.LEVELS`."""

    address: str
    uri: str
    level: int


class Gpu(NamedTuple):
    target: Target
    rack: str
    uri: str

    @property
    def key(self) -> tuple[str, str]:
        return self.target.address, self.uri


class SmoothingRoom:
    """Raises `OperatorMust` where what is kept is spoilt."""

    def __init__(
        self,
        *,
        facts: Facts,
        clock: Clock,
        directory: Path,
        open_device: Callable[[Target], Device],
        policy: Callable[[], PowerPolicy],
        running: Callable[[], Centre | None],
        decide: Decide,
    ) -> None:
        self._facts, self._clock, self._open = facts, clock, open_device
        self._policy, self._running, self._decide = policy, running, decide
        self._kept = smoothed_file(directory / FILE)
        self.told = {(each.address, each.uri): each.level for each in self._kept.load()}
        self.swing: Swing | None = None
        self._places: dict[tuple[str, str], tuple[SmoothsPower, str] | None] = {}
        self._trouble: dict[tuple[str, str], tuple[str, float]] = {}
        self._floors: dict[tuple[str, str], float] = {}
        self._blind = "it has not looked yet"

    # --- seen --------------------------------------------------------------------------------

    def seen(self) -> Iterator[ActuatorState]:
        """The site's swing, and each rack with GPUs that can smooth."""
        swing, policy = self.swing, self._policy()
        if swing is None or policy.swing is None:
            return
        ramp = None if swing.ramp_w_s is None else round(swing.ramp_w_s / 1000.0, 3)
        yield ActuatorState(
            what="smoothing", name="swing", where="site", mode=policy.mode.value,
            state="unknown" if self._blind else f"level {swing.level}", told=swing.level,
            unit=f"of {len(LEVELS)}", reads=ramp, reads_unit="kW/s", why=self._blind,
        )  # fmt: skip
        racks: dict[str, list[Gpu]] = {}
        for gpu in self._gpus():
            if self._places.get(gpu.key) is not None:
                racks.setdefault(gpu.rack, []).append(gpu)
        for rack, gpus in sorted(racks.items()):
            yield self._rack(rack, gpus, policy)

    def _rack(self, rack: str, gpus: Sequence[Gpu], policy: PowerPolicy) -> ActuatorState:
        troubles = [self._trouble[gpu.key][0] for gpu in gpus if gpu.key in self._trouble]
        levels = {self.told.get(gpu.key, 0) for gpu in gpus}
        floors = [self._floors[gpu.key] for gpu in gpus if gpu.key in self._floors]
        level = min(levels)
        state = "unmet" if troubles else (f"level {level}" if level else "own")
        return ActuatorState(
            what="smoothing", name=f"{len(gpus)} GPUs", where=rack,
            mode=policy.mode_of(rack).value, state=state,
            told=100.0 * LEVELS[level - 1].floor if level else None, unit="% floor",
            reads=min(floors, default=None), reads_unit="% floor",
            why=f"{len(troubles)} of them: {troubles[0]}" if troubles else "",
        )  # fmt: skip

    # --- over time ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        await together(self._watch(), self._keep_up())

    async def _watch(self) -> None:
        while True:
            self.sample()
            await self._clock.sleep(SAMPLE_S)

    async def _keep_up(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(2 * SAMPLE_S)

    def sample(self) -> None:
        """Look at the site's power once."""
        policy, centre, now_s = self._policy(), self._running(), self._clock.monotonic()
        if policy.swing is None:
            self.swing = None
            return
        if self.swing is None or self.swing.rules != policy.swing:
            self.swing = Swing(policy.swing)
            self.swing.level = max(self.told.values(), default=0)
        watts, self._blind = _drawn_w(centre, now_s, policy.swing.gap_s)
        self.swing.sample(watts, now_s)
        before, level = self.swing.level, self.swing.tick(now_s)
        if level != before:
            ramp = (self.swing.ramp_w_s or 0.0) / 1000.0
            because = f"its power changed by {ramp:.1f} kW/s at most"
            advised = policy.strongest is not Mode.CONTROL
            self._decide("site", f"smooth level {level}", because=because, advised=advised)

    async def look(self) -> None:
        """Tell every GPU what it is not told yet; one that did not take it, again in a minute."""
        policy = self._policy()
        level = self.swing.level if self.swing is not None else 0
        if not level and not any(self.told.values()):
            return
        now_s, work = self._clock.monotonic(), list[tuple[Gpu, int]]()
        for gpu in self._gpus():
            mine = level if policy.mode_of(gpu.rack) is Mode.CONTROL else 0
            tried_s = self._trouble.get(gpu.key, ("", float("-inf")))[1]
            due = self.told.get(gpu.key, 0) != mine and now_s - tried_s >= AGAIN_S
            if due and self._places.get(gpu.key, ()) is not None:
                work.append((gpu, mine))
        if not work:
            return
        self._keep({gpu.key: max(to, self.told.get(gpu.key, 0)) for gpu, to in work})
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._tell(gate, gpu, to) for gpu, to in work))
        self._keep({})

    # --- inside ------------------------------------------------------------------------------

    def _gpus(self) -> Iterator[Gpu]:
        for held in list(self._facts.all_held()):
            rack = held.target.labels.get("rack")
            if rack and held.report is not None:
                for part in held.report.components:
                    if part.kind is ComponentKind.GPU:
                        yield Gpu(held.target, rack, part.uri)

    async def _tell(self, gate: asyncio.Semaphore, gpu: Gpu, level: int) -> None:
        async with gate:
            try:
                await self._set(gpu, level)
            except IolausError as error:
                self._trouble[gpu.key] = error.message, self._clock.monotonic()
                log.debug("a GPU is not smoothed", gpu=gpu.uri, error=str(error))
            else:
                self._trouble.pop(gpu.key, None)

    async def _set(self, gpu: Gpu, level: int) -> None:
        device = self._open(gpu.target)
        place = await self._place(gpu, device)
        if place is None:
            return
        if gpu.target.mode is not Right.MANAGED:
            raise PolicyRefused("it may be read only", operation="smooth power", subject=gpu.uri)
        port, uri = place
        wish = wish_of(LEVELS[level - 1]) if level else None
        writer = device.writer(Priority.CONTROL, deadline_s=WITHIN_S)
        found = await port.set_smoothing(writer, uri, wish)
        if found.enabled is not (wish is not None) or (wish and not found.is_as(wish)):
            raise DeviceLied(
                "it reads otherwise after it was told", operation="smooth power", subject=gpu.uri
            )
        self._floors.pop(gpu.key, None)
        if wish is not None and found.floor_pct is not None:
            self._floors[gpu.key] = found.floor_pct
        self.told[gpu.key] = level

    async def _place(self, gpu: Gpu, device: Device) -> tuple[SmoothsPower, str] | None:
        """Where a GPU's smoothing stands, asked once; None: it has none."""
        if gpu.key not in self._places:
            reads = device.at(Priority.CONTROL, timeout_s=WITHIN_S)
            body = (await reads.get(gpu.uri, fresh_s=KNOWN_S)).body
            found = ((port, port.place(body)) for port in smoothers())
            self._places[gpu.key] = next(((port, at) for port, at in found if at), None)
        return self._places[gpu.key]

    def _keep(self, more: Mapping[tuple[str, str], int]) -> None:
        """On disk: what is in force, and what may be in a moment."""
        rows = {key: level for key, level in {**self.told, **more}.items() if level}
        self._kept.save(
            SmoothedGpu(address=address, uri=uri, level=level)
            for (address, uri), level in sorted(rows.items())
        )


def wish_of(profile: Smoothing) -> SmoothingWish:
    return SmoothingWish(
        floor_pct=round(100.0 * profile.floor, 1),
        up_w_s=profile.up_w_s,
        down_w_s=profile.down_w_s,
        hold_s=profile.hold_s,
    )


def _drawn_w(centre: Centre | None, now_s: float, gap_s: float) -> tuple[float | None, str]:
    """What all racks draw, and why that is unknown."""
    if centre is None:
        return None, "no centre runs here"
    watts = 0.0
    for each in centre.racks(now_s):
        if each.measured_w is None or each.age_s is None or each.age_s > gap_s:
            return None, f"{each.rack} is not measured every second"
        watts += each.measured_w
    return watts, ""


def smoothed_file(path: Path) -> KeptFile[SmoothedGpu]:
    return KeptFile(
        path,
        SmoothedGpu,
        word="smoothed",
        code="SmoothingUnreadable",
        next_step="remove the file; GPUs that smooth go on with it until somebody switches it off.",
    )
