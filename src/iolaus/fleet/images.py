"""Images of firmware: which of those that are known brings a component to what is wanted.

An image is named by its file and trusted by its hash. What it brings is known from inside a
package or from whoever put it there; where that is not known, the wanted version is expected of
it and read back. Without an image nothing is planned: the plan names what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from iolaus.model.asset import Firmware
from iolaus.model.desired import ComponentWant
from iolaus.model.version import Verdict, compare, parse_constraint, same, satisfies

SHORT: Final = 12


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the image folder. `size` is in bytes; `versions` says what it brings, by the id
    of a component or by its kind ("bmc"); empty: not known. `models` are those it is for; empty:
    it does not say."""

    file: str
    sha256: str
    size: int
    versions: Mapping[str, str] = {}
    models: tuple[str, ...] = ()

    def brings(self, entry: Firmware) -> str | None:
        """The version that it brings this component to; None: it does not say."""
        return self.versions.get(entry.component) or self.versions.get(entry.kind)

    def is_for(self, model: str | None) -> bool:
        return not self.models or (model or "").casefold() in {m.casefold() for m in self.models}


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What is flashed. `uri` is what the device fetches itself (then `file` is empty);
    `version` is what it brings (None: not known before)."""

    file: str = ""
    uri: str = ""
    sha256: str
    size: int | None = None
    version: str | None = None


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is none."""

    reason: str


def choose(
    want: ComponentWant, entry: Firmware, images: Mapping[str, Image], *, model: str | None
) -> Choice | Missing:
    """The image for a component of a node: the one that the baseline names, checked by its hash;
    else the newest one known that brings what is wanted."""
    if want.image is None:
        return _known(want, entry, images, model)
    constraint = parse_constraint(want.version)
    if not want.image.file:
        return Choice(uri=want.image.uri, sha256=want.image.sha256, version=constraint.exact)
    image = images.get(want.image.file)
    if image is None:
        return Missing(reason=f"{want.image.file} is not among the images")
    if image.sha256.casefold() != want.image.sha256.casefold():
        mine, wanted = image.sha256[:SHORT], want.image.sha256[:SHORT]
        return Missing(reason=f"{image.file} is {mine}... and the baseline wants {wanted}...")
    if not image.is_for(model):
        return Missing(reason=f"{image.file} is for {', '.join(image.models)}, not for {model}")
    version = image.brings(entry)
    scheme = want.scheme or entry.scheme
    if version is not None and satisfies(version, constraint, scheme=scheme) is not Verdict.YES:
        return Missing(reason=f"{image.file} brings {version}, and {want.version} is wanted")
    return _chosen(image, version or constraint.exact)


def choose_old(
    entry: Firmware, images: Mapping[str, Image], *, model: str | None, scheme: str
) -> Choice | None:
    """The image that brings back the version that is there; None where none is known."""
    for _, image in sorted(images.items()):
        version = image.brings(entry)
        fits = version is not None and entry.version is not None and image.is_for(model)
        if fits and same(version or "", entry.version or "", scheme=scheme):
            return _chosen(image, entry.version)
    return None


def _known(
    want: ComponentWant, entry: Firmware, images: Mapping[str, Image], model: str | None
) -> Choice | Missing:
    constraint, scheme = parse_constraint(want.version), want.scheme or entry.scheme
    fitting = [
        (version, image)
        for _, image in sorted(images.items())
        if (version := image.brings(entry)) is not None
        and image.is_for(model)
        and satisfies(version, constraint, scheme=scheme) is Verdict.YES
    ]
    if not fitting:
        return Missing(reason=f"no image is known that brings {entry.component} to {want.version}")
    best, image = fitting[0]
    for version, each in fitting[1:]:
        if (compare(version, best, scheme=scheme) or 0) > 0:
            best, image = version, each
    return _chosen(image, best)


def _chosen(image: Image, version: str | None) -> Choice:
    return Choice(file=image.file, sha256=image.sha256, size=image.size, version=version)
