"""How well endpoints are closed, as objects."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from iolaus.model.surface import Surface
from iolaus.north.dto.make import when
from iolaus.north.dto.views import Age, Observed, View
from iolaus.trust.hardening import Check, State


class HardeningCheck(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One finding, and what to do."""

    check: Annotated[str, Meta(description="ipmi-over-lan, telnet, certificate, tls ...")]
    state: Annotated[str, Meta(description="sound, weak or unknown.")]
    severity: Annotated[str, Meta(description="high, medium or low.")]
    message: str
    next_step: str = ""
    uri: Annotated[str, Meta(description="The resource or path that shows it.")] = ""


class HardeningView(View, frozen=True, kw_only=True):
    """How well one endpoint is closed: read-only checks of what it says and what it shows."""

    address: str
    state: Annotated[str, Meta(description="weak, unknown or sound: the worst finding.")]
    high: Annotated[int, Meta(description="Weak findings of high severity.")]
    medium: int
    low: int
    unknown: Annotated[int, Meta(description="Checks that could not be made, or said nothing.")]
    sound: int
    weak: Annotated[tuple[str, ...], Meta(description="The weak checks, the worst first.")]
    checks: tuple[HardeningCheck, ...]
    looked_at: Annotated[
        Observed, Meta(description="When it was last looked at from outside, without a login.")
    ] = None
    observed_at: Observed = None
    age_s: Age = None


def hardening_view(
    name: str,
    address: str,
    labels: dict[str, str],
    found: tuple[Check, ...],
    surface: Surface | None,
    *,
    seen: float | None,
    now: float,
) -> HardeningView:
    weak = [each for each in found if each.state is State.WEAK]
    return HardeningView(
        name=name,
        kind="hardening",
        labels=labels,
        address=address,
        state=found[0].state.value,
        high=sum(each.severity == "high" for each in weak),
        medium=sum(each.severity == "medium" for each in weak),
        low=sum(each.severity == "low" for each in weak),
        unknown=sum(each.state is State.UNKNOWN for each in found),
        sound=sum(each.state is State.SOUND for each in found),
        weak=tuple(dict.fromkeys(each.check for each in weak)),
        checks=tuple(_check(each) for each in found),
        looked_at=when(surface.at) if surface else None,
        observed_at=when(seen),
        age_s=None if seen is None else round(max(0.0, now - seen), 3),
    )


def _check(found: Check) -> HardeningCheck:
    return HardeningCheck(
        check=found.check,
        state=found.state.value,
        severity=found.severity,
        message=found.message,
        next_step=found.next_step,
        uri=found.uri,
    )
