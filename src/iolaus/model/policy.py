"""What an operator decides of trust: what is demanded beyond the rest, and what is let pass.

A policy can demand more, and it can let pass what was not proved; it can never make something
proved, nor lift a hard negative. So a waiver names only what may be let pass at all, and it has an
owner, a reason and an end. What advisories call a product can be said here once for the fleet.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from iolaus.model.desired import Duration, Metadata, NodeSelector, Wanted
from iolaus.model.matching import Mapped

Waivable = Literal[
    "identity/unanchored",
    "reference/none",
    "reference/untrusted",
    "reference/expired",
    "lifecycle/rma",
    "lifecycle/manufacturing",
    "lifecycle/svn-below-floor",
    "lifecycle/known-vulnerable",
]
"""Axis and value. Evidence and signature are not among them, and no hard negative is."""
Day = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$", description="such as 2026-12-31"
    ),
]
Said = Annotated[str, msgspec.Meta(min_length=1)]


class Waiver(Wanted, frozen=True, kw_only=True):
    """Lets pass what stands at these axes, at these nodes, for components whose name is like
    `component` (`*` allowed)."""

    selector: NodeSelector
    axes: Annotated[list[Waivable], msgspec.Meta(min_length=1)]
    owner: Said
    reason: Said
    expires: Day
    component: str = "*"


class SvnFloor(Wanted, frozen=True, kw_only=True):
    """The least security version. With `part` (`*` allowed) that of the release which references
    say it runs; else what attesters called like `component` measure, at `index` or anywhere."""

    least: Annotated[int, msgspec.Meta(ge=0)]
    part: str = ""
    component: str = "*"
    index: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None


class Demands(Wanted, frozen=True, kw_only=True):
    """More than is demanded anyway. `identity: pinned` does not take an anchored one that was
    never enrolled; `max_age` is how long evidence counts, if that is less than it does anyway;
    `secure_boot` demands that the last boot enforced it."""

    identity: Literal["anchored", "pinned"] = "anchored"
    max_age: Duration | None = None
    secure_boot: bool = False
    svn: list[SvnFloor] = []


class QuarantineWant(Wanted, frozen=True, kw_only=True):
    """What a quarantine is that somebody asks for: always no new work, and the power only if it is
    said here. `rules` is the baseline whose drain, limits and approvals hold."""

    power: Literal["keep", "off"] = "keep"
    rules: str = ""


class ProductWant(Wanted, frozen=True, kw_only=True):
    """What advisories call a product (`*` allowed), and which firmware that is here."""

    product: Said
    vendor: str = ""
    kinds: list[str] = []
    components: list[str] = []
    models: list[str] = []
    scheme: Literal["", "dotted", "suffix", "hex", "date", "exact"] = ""

    def mapped(self) -> Mapped:
        return Mapped(
            product=self.product,
            vendor=self.vendor,
            kinds=tuple(self.kinds),
            components=tuple(self.components),
            models=tuple(self.models),
            scheme=self.scheme,
        )


class PolicySpec(Wanted, frozen=True, kw_only=True):
    require: Demands = msgspec.field(default_factory=Demands)
    waivers: list[Waiver] = []
    quarantine: QuarantineWant = msgspec.field(default_factory=QuarantineWant)
    products: list[ProductWant] = []


class Policy(Wanted, frozen=True, kw_only=True):
    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["Policy"]
    metadata: Metadata
    spec: PolicySpec

    @property
    def name(self) -> str:
        return self.metadata.name
