"""What known packages say of a reported version. Pure.

A controller reports versions, a package says which image has which version; joined, they tell
whether what is reported is a firmware that anybody knows. Versions are words, and short ones are
common; so it is always said by what a package was joined: by the component's own number (PLDM's
identifier, which controllers report as SoftwareId), by the word of whoever imported it, by the
class of firmware that an archive is for, or by the version alone. That a version is in *no* package
is only said where some package is certainly for that component.

All of this is a claim, and is labelled so. It never makes anything better.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import msgspec

from iolaus.model.asset import Firmware
from iolaus.model.package import Packaged, PackagedImage, Review
from iolaus.model.reference import KeptReference
from iolaus.model.trust import Detail, Finding
from iolaus.model.version import same

IN_PACKAGE: Final = "version-in-package"
IN_NO_PACKAGE: Final = "version-in-no-package"
LABEL: Final = "claimed"
TOLD, NUMBER, KIND, VERSION = "its importer's word", "its identifier", "its class", "version only"
CERTAIN: Final = (TOLD, NUMBER)
MOST: Final = 8
_IDENTIFIER: Final = re.compile(r"0[xX]([0-9A-Fa-f]{1,4})")


class Place(NamedTuple):
    """An image, and the document that it is in."""

    document: KeptReference
    package: Packaged
    image: PackagedImage


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one entry. `place` is where the version that it reports was found (None: in
    no package, though some are for it, which hold `known`); `by` how it was joined; `others` are
    the documents that hold it as well, `reviews` those of exactly this image."""

    component: str
    version: str
    by: str
    place: Place | None = None
    others: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    reviews: tuple[Review, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether the package is surely for this component; its version is still only reported."""
        return self.place is not None and self.by in CERTAIN


class Packages:
    """All that are known, to be asked of many entries."""

    def __init__(self, documents: Iterable[KeptReference]) -> None:
        kept = list(documents)
        self._places = [
            Place(each, each.package, image)
            for each in kept
            if each.package is not None
            for image in each.package.images
        ]
        genuine = (each for each in kept if each.provenance.genuine)
        self._reviews = [review for each in genuine for review in each.reviews]
        self._found: dict[tuple[str, ...], Claim | None] = {}

    def __bool__(self) -> bool:
        return bool(self._places)

    def claim(self, entry: Firmware) -> Claim | None:
        """None where nothing can be said: no version, or no package that it could be of. Asked
        once for all machines of one kind."""
        if not entry.version or entry.bank:
            return None
        named = (entry.component, entry.kind, entry.vendor or "", entry.software_id)
        kind = (*named, entry.version, entry.scheme)
        if kind not in self._found:
            self._found[kind] = self._claim(entry, entry.version)
        return self._found[kind]

    def _claim(self, entry: Firmware, version: str) -> Claim | None:
        able = [(place, by) for place in self._places if (by := joined(entry, place))]
        holds = [each for each in able if is_version(entry, each[0].image)]
        if holds:
            place, by = min(holds, key=lambda each: _rank(each[1]))
            names = dict.fromkeys(each.document.name for each, _ in holds)
            names.pop(place.document.name)
            return Claim(
                component=entry.component,
                version=version,
                by=by,
                place=place,
                others=tuple(names),
                reviews=tuple(self.reviews(place.image)),
            )
        sure = [each for each in able if each[1] in CERTAIN]
        if not sure:
            return None
        known = dict.fromkeys(place.image.version for place, _ in sure)
        return Claim(
            component=entry.component,
            version=version,
            by=sure[0][1],
            known=tuple(known),
            others=tuple(dict.fromkeys(place.document.name for place, _ in sure)),
        )

    def reviews(self, image: PackagedImage) -> Iterator[Review]:
        """Those of exactly these bytes that somebody whom we know has signed."""
        return (each for each in self._reviews if each.is_of(image))


def joined(entry: Firmware, place: Place) -> str:
    """By what an image may be for an entry; "": it is not."""
    image, package = place.image, place.package
    if image.makers and entry.vendor and entry.vendor not in image.makers:
        return ""
    for number, pattern in package.meant:
        if number in (None, image.identifier) and _is_meant(entry, pattern):
            return TOLD
    if package.meant:
        return ""
    found = _IDENTIFIER.fullmatch(entry.software_id)
    if found and image.identifier is not None:
        return NUMBER if int(found[1], 16) == image.identifier else ""
    if package.kind and entry.kind:
        return KIND if package.kind == entry.kind else ""
    return VERSION


def is_version(entry: Firmware, image: PackagedImage) -> bool:
    return bool(image.version) and same(entry.version or "", image.version, scheme=entry.scheme)


def _is_meant(entry: Firmware, pattern: str) -> bool:
    return entry.kind == pattern or fnmatchcase(entry.component, pattern)


def _rank(by: str) -> int:
    return (TOLD, NUMBER, KIND, VERSION).index(by)


def finding_of(claim: Claim) -> Finding:
    """What is told of it beside a verdict."""
    return _held(claim, claim.place) if claim.place else _unheld(claim)


def _held(claim: Claim, place: Place) -> Finding:
    told = (
        f"{claim.component} reports {claim.version}, which is in package {place.document.name} "
        f"({place.image.name}, joined by {claim.by}). A claim, and no proof."
    )
    detail: dict[str, Detail] = {
        **_who(claim),
        "package": place.document.name,
        "image": place.image.name,
        "sha256": place.image.digests["sha256"].hex(),
        "imported_at": place.document.provenance.imported_at,
    }
    if claim.others:
        detail["also_in"] = list(claim.others[:MOST])
    if claim.reviews:
        told += f" That image was reviewed by {_providers(claim.reviews)}."
        detail["reviewed"] = [review_line(each) for each in claim.reviews[:MOST]]
    return Finding(code=IN_PACKAGE, message=told, detail=detail)


def _unheld(claim: Claim) -> Finding:
    known, packages = ", ".join(claim.known[:MOST]), ", ".join(claim.others[:MOST])
    told = (
        f"{claim.component} reports {claim.version}, which is in none of the packages that are "
        f"for it ({packages}); they hold {known}. Import the package that it came in, or ask where "
        "it came from."
    )
    detail: dict[str, Detail] = {**_who(claim), "known": list(claim.known[:MOST])}
    detail["packages"] = list(claim.others[:MOST])
    return Finding(code=IN_NO_PACKAGE, message=told, detail=detail)


def _who(claim: Claim) -> dict[str, Detail]:
    return {
        "label": LABEL,
        "component": claim.component,
        "version": claim.version,
        "joined_by": claim.by,
    }


def _providers(reviews: Sequence[Review]) -> str:
    return ", ".join(dict.fromkeys(each.provider for each in reviews))


def review_line(review: Review) -> str:
    return (
        f"{review.vendor} {review.product} {review.version} by {review.provider}, "
        f"{review.completed or 'no date'}, {review.issues} open issues"
    )
