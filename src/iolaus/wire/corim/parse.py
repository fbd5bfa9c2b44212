"""CoRIM bytes to a `Corim`: tag 501, with CoMIDs (506) of reference and endorsed values.

A profile changes what the keys of a manifest mean, so one that is not known is refused and not
ignored. What a manifest holds beside reference and endorsed values (identities, dependencies,
conditional series, coswid tags) is named as skipped: it widens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from iolaus.wire.cbor import Tag, decode
from iolaus.wire.corim.measured import Shape, measured_of
from iolaus.wire.corim.review import reviews_of
from iolaus.wire.corim.values import Corim, Environment, Review, Triple
from iolaus.wire.document import DocumentMalformed

CORIM, COSWID, COMID, COTL = 501, 505, 506, 508
SAFE_PROFILES: Final = frozenset(("1.3.6.1.4.1.42623.1.1", "1.3.6.1.4.1.47639.1.1"))
"""The second is what the profile's own example encodes where it says the first."""
PROFILES: Final = frozenset(("", *SAFE_PROFILES))
MAX_TRIPLES: Final = 20_000
_TRIPLES: Final[Mapping[int, str]] = {
    2: "identity triples",
    3: "attest-key triples",
    4: "dependency triples",
    5: "membership triples",
    6: "coswid triples",
    8: "conditional endorsement series",
    10: "conditional endorsements",
}


def parse_corim(data: bytes, *, subject: str = "CoRIM") -> Corim:
    """An unsigned CoRIM, or a CoMID alone (as makers hand them about). Raises
    `DocumentMalformed`; its reason is "profile-unknown" for a profile that is not known."""
    item = decode(data, subject=subject)
    shape = Shape(subject)
    if isinstance(item, Tag) and item.number == CORIM:
        return _corim(shape.mapping(item.value, "the manifest"), shape)
    if isinstance(item, Tag) and item.number == COMID:
        item = decode(shape.octets(item.value, "a CoMID"), subject=subject)
    if isinstance(item, dict) and isinstance(item.get(1), dict) and 4 in item:
        return _alone(item, shape)
    raise shape.wrong("not-corim", "neither a CoRIM (tag 501) nor a CoMID")


def _corim(found: Mapping[Any, Any], shape: Shape) -> Corim:
    profile = _text(found[3], shape) if 3 in found else ""
    if profile not in PROFILES:
        raise DocumentMalformed(
            "profile-unknown",
            f"the profile {profile[:80]} is not known, and may change what the values mean",
            subject=shape.subject,
            next_step="import a manifest without a profile, or one that is supported.",
        )
    strange = [key for key in found if key not in range(6)]
    if strange:
        raise shape.wrong("key-unknown", f"the key {strange[0]!r} of the manifest is not known")
    triples: list[Triple] = []
    reviews: list[Review] = []
    skipped = ["dependent manifests"] if 2 in found else []
    for tag in shape.items(found.get(1), "the tags"):
        if not isinstance(tag, Tag):
            raise shape.wrong("shape", "what stands among the tags is none")
        if tag.number != COMID:
            skipped.append({COSWID: "a coswid tag", COTL: "a tag list"}.get(tag.number, "a tag"))
            continue
        comid = decode(shape.octets(tag.value, "a CoMID"), subject=shape.subject)
        _comid(shape.mapping(comid, "a CoMID"), shape, triples, reviews, skipped, profile)
    return Corim(
        id=_text(found.get(0, ""), shape),
        profile=profile,
        entities=tuple(_entities(found.get(5, []), shape)),
        triples=tuple(triples),
        reviews=tuple(reviews),
        skipped=tuple(dict.fromkeys(skipped)),
        **shape.validity(found.get(4)),
    )


def _alone(comid: Mapping[Any, Any], shape: Shape) -> Corim:
    triples: list[Triple] = []
    reviews: list[Review] = []
    skipped: list[str] = []
    _comid(comid, shape, triples, reviews, skipped, "")
    return Corim(
        id=_text(shape.mapping(comid[1], "the identity").get(0, ""), shape),
        entities=tuple(_entities(comid.get(2, []), shape)),
        triples=tuple(triples),
        skipped=tuple(dict.fromkeys(skipped)),
    )


def _comid(
    comid: Mapping[Any, Any],
    shape: Shape,
    triples: list[Triple],
    reviews: list[Review],
    skipped: list[str],
    profile: str,
) -> None:
    found = shape.mapping(comid.get(4), "the triples")
    for key in (0, 1):
        triples += _records(found.get(key, []), shape, endorsed=key == 1)
    if len(triples) > MAX_TRIPLES:
        raise shape.wrong("too-large", f"more than {MAX_TRIPLES} triples")
    if profile in SAFE_PROFILES and 10 in found:
        reviews += reviews_of(found[10], shape, environment_of)
    skipped += [
        _TRIPLES.get(key, f"triples {key!r}")
        for key in found
        if key not in (0, 1) and not (key == 10 and profile in SAFE_PROFILES)
    ]
    if 3 in comid:
        skipped.append("linked tags")


def _records(listed: Any, shape: Shape, *, endorsed: bool) -> Iterator[Triple]:
    for record in shape.items(listed, "the triples"):
        environment, measured = shape.pair(record, "a triple")
        yield Triple(
            environment=environment_of(environment, shape),
            measured=tuple(
                value
                for one in shape.items(measured, "the measured values")
                for value in measured_of(one, shape)
            ),
            endorsed=endorsed,
        )


def environment_of(found: Any, shape: Shape) -> Environment:
    """An environment-map. Raises `DocumentMalformed`."""
    outer = shape.mapping(found, "an environment")
    inner = shape.mapping(outer.get(0, {}), "a class")
    return Environment(
        class_id=_text(inner.get(0, ""), shape),
        vendor=shape.text(inner.get(1, ""), "a vendor"),
        model=shape.text(inner.get(2, ""), "a model"),
        layer=shape.number(inner.get(3), "a layer"),
        index=shape.number(inner.get(4), "an index"),
        instance=_text(outer.get(1, ""), shape),
        group=_text(outer.get(2, ""), shape),
    )


def _entities(listed: Any, shape: Shape) -> Iterator[str]:
    for one in shape.items(listed, "the entities"):
        yield _text(shape.mapping(one, "an entity").get(0, ""), shape)


def _text(value: Any, shape: Shape) -> str:
    """An identifier of whatever kind, as a person reads it."""
    tag, inner = value if isinstance(value, Tag) else (None, value)
    if tag == 37 and isinstance(inner, bytes) and len(inner) == 16:
        return str(UUID(bytes=inner))
    if tag == 111 and isinstance(inner, bytes):
        return oid(inner)
    if isinstance(inner, bytes):
        bare = tag is None and len(inner) == 16
        return str(UUID(bytes=inner)) if bare else inner.hex()
    if isinstance(inner, str):
        return shape.text(inner, "an identifier")
    if isinstance(inner, int):
        return str(inner)
    raise shape.wrong("shape", "an identifier of an unknown kind")


def oid(raw: bytes) -> str:
    """An object identifier's content (X.690 8.19) in dots; hex where it is none. Some manifests
    keep tag and length before it."""
    if len(raw) > 2 and raw[0] == 6 and raw[1] == len(raw) - 2:
        raw = raw[2:]
    if not raw or raw[-1] & 0x80 or len(raw) > 64:
        return raw.hex()
    arcs, value = [], 0
    for octet in raw:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))
