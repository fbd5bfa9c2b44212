"""How a new version of firmware is proved to run: who vouches for it, and what it must measure.

A version is what a controller says. Where a component can sign what it measures, and references
say what the new image measures as, that is the proof; else the version alone is, and a person who
approves a change is told so before.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Vouching(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Firmware `component` of an asset is vouched for by `attester`, which measures it as `part`
    (`model.reference.ReferenceSet.part`)."""

    component: str
    attester: str
    part: str


class Release(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A version of a part whose measurements a reference knows. `reference` names the set,
    `document` the file that it came with."""

    part: str
    version: str
    reference: str
    document: str


class Provers(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of proving when a plan is made: by asset's uid who vouches for what, how many
    attesters it has, and the releases by part."""

    links: Mapping[str, tuple[Vouching, ...]] = {}
    attesters: Mapping[str, int] = {}
    releases: Mapping[str, tuple[Release, ...]] = {}
