"""The policy as it counts: seconds and rungs, with the usual where nothing is said. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from iolaus.model.desired import NodeSelector
from iolaus.model.reach import Verdict
from iolaus.model.recovery import (
    IsolateWant,
    RecoverySpec,
    ReflashWant,
    RescueWant,
    RungName,
    RungWant,
)
from iolaus.recovery.rungs import RUNGS, Rung

Seconds = Callable[[str], float]
"""Reads a duration such as "10m"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """`after_s` is how long a finding must have stood."""

    verdicts: frozenset[Verdict] = frozenset()
    rungs: frozenset[RungName] = frozenset()
    selector: NodeSelector = field(default_factory=NodeSelector)
    after_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds of recovery. A rung that is not in `rungs` is never used."""

    rungs: Mapping[RungName, Rung] = field(default_factory=lambda: RUNGS)
    automatic: Automatic = Automatic()
    together_least: int = 3
    together_share: float = 0.5
    rescue: RescueWant | None = None
    reflash: ReflashWant = field(default_factory=ReflashWant)
    isolate: IsolateWant = field(default_factory=IsolateWant)
    host_may_stop: bool = False
    silent_for_s: float = 60.0
    wedged_after_s: float = 3600.0
    signals_for_s: float = 90.0


def rules_of(spec: RecoverySpec, *, seconds: Seconds) -> Rules:
    """`seconds` reads a duration and raises `OperatorMust` for what is none."""
    wants = spec.automatic
    found = {
        name: rung
        for name in RUNGS
        if (rung := _rung(RUNGS[name], spec.rungs.get(name, RungWant()), seconds)) is not None
    }
    return Rules(
        rungs=found,
        automatic=Automatic(
            verdicts=frozenset(Verdict(word) for word in wants.classes),
            rungs=frozenset(wants.rungs),
            selector=wants.selector,
            after_s=seconds(wants.after),
        ),
        together_least=spec.together.least,
        together_share=spec.together.share,
        rescue=spec.rescue,
        reflash=spec.reflash,
        isolate=spec.isolate,
        host_may_stop=spec.host_may_stop,
        silent_for_s=seconds(spec.silent_for),
        wedged_after_s=seconds(spec.wedged_after),
        signals_for_s=seconds(spec.signals_for),
    )


def _rung(usual: Rung, want: RungWant, seconds: Seconds) -> Rung | None:
    if not want.use:
        return None
    return usual._replace(
        timeout_s=seconds(want.timeout) if want.timeout else usual.timeout_s,
        cool_down_s=seconds(want.cool_down) if want.cool_down else usual.cool_down_s,
        per_hour=usual.per_hour if want.per_hour is None else want.per_hour,
        per_rack_hour=usual.per_rack_hour if want.per_rack_hour is None else want.per_rack_hour,
    )
