"""Firmware packages and reviews as they are known here: what they hold, without the images.

A package says which versions its images are, and for whom; a review says which image somebody has
looked into. Neither says what a device runs. What a device *reports* can be looked up in them, and
that is a claim: it may be that the reported firmware is known, and never that it runs.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class PackagedImage(msgspec.Struct, frozen=True, kw_only=True):
    """`digests` are raw, by algorithm ("sha256", "sha384", "sha512"); `size` in bytes.
    `identifier` and `classification` are those of PLDM (DSP0267), None in other forms; `makers`
    are the usual names of those whose devices it is for, as far as its descriptors say."""

    name: str
    version: str
    size: int
    digests: Mapping[str, bytes]
    identifier: int | None = None
    classification: int | None = None
    makers: tuple[str, ...] = ()
    descriptors: tuple[str, ...] = ()


class Packaged(msgspec.Struct, frozen=True, kw_only=True):
    """A package. `form` is "pldm" or "openbmc"; `kind` the class of firmware that an OpenBMC
    archive is for ("bmc", "bios"; "": it does not say), `machines` those that it names. `meant`
    are patterns of component ids, or classes, that its importer says it is for: by the number of
    PLDM's identifier, or None for all of its images."""

    form: str
    images: tuple[PackagedImage, ...]
    version: str = ""
    released: str | None = None
    kind: str = ""
    machines: tuple[str, ...] = ()
    meant: tuple[tuple[int | None, str], ...] = ()


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One image that was reviewed. `digests` as in `PackagedImage`; `completed` is a date as it
    is written; `issues` is how many were open at the end."""

    vendor: str
    product: str
    version: str
    provider: str
    completed: str
    issues: int
    digests: Mapping[str, bytes]

    def is_of(self, image: PackagedImage) -> bool:
        """The same bytes: every digest that both have agrees, and there is one."""
        shared = self.digests.keys() & image.digests.keys()
        return bool(shared) and all(self.digests[w] == image.digests[w] for w in shared)
