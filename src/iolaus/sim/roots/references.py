"""Reference values: what the makers of simulated firmware would publish about it.

For every component that a persona's roots of trust measure, and for every version asked for: the
digests of the image under each hash, its security version, and at which index of whose
measurements it appears. ROMs and configurations, which have no version, stand beside them.
As plain data, as JSON, and as a CoRIM (draft-ietf-rats-corim: tags 501 and 506, reference
triples), signed by the hall's reference authority if wanted (COSE_Sign1, ES384).

Nothing here asks a device: the values follow from what a version is, so a device that measures
something else is found out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from iolaus.sim.personas import personas
from iolaus.sim.personas.parts.trust import Root, SpdmRoot
from iolaus.sim.personas.persona import Persona
from iolaus.sim.personas.sketch import uri
from iolaus.sim.roots.algorithms import HASHINGS, SHA384, SIGNINGS, sign
from iolaus.sim.roots.asking import image_of
from iolaus.sim.roots.chain import Certified, authority, issue, name
from iolaus.sim.roots.firmware import Image, version_before
from iolaus.sim.roots.keys import curve_key, noise
from iolaus.sim.roots.measure import CONFIGURATION, HARDWARE, configuration, rom_of

_NAMES: Final = {"SHA_256": "sha256", "SHA_384": "sha384", "SHA_512": "sha512"}
_NAMED_INFORMATION: Final = {"sha256": 1, "sha384": 7, "sha512": 8}
_CORIM, _COMID, _SIGNED, _SVN, _ES384 = 501, 506, 18, 552, -35
_X5CHAIN: Final = 33


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceValue:
    """`kind` is "firmware", "rom", "hardware" or "configuration". `index` is the measurement's,
    by the root's model: one image may be measured at several places."""

    component: str
    version: str | None
    kind: str
    maker: str
    digests: Mapping[str, str]
    svn: int | None = None
    index: Mapping[str, int] = field(default_factory=dict)


def reference_values(
    kinds: Iterable[Persona] | None = None, *, versions: Mapping[str, Sequence[str]] | None = None
) -> list[ReferenceValue]:
    """What may run on machines of these kinds (None: all): the version that they come with, the
    one before it, and per component those in `versions`."""
    found: dict[tuple[str, str | None], ReferenceValue] = {}
    for persona in personas().values() if kinds is None else kinds:
        for value in _of_persona(persona, versions or {}):
            known = found.get((value.component, value.version))
            index = {**known.index, **value.index} if known else value.index
            found[value.component, value.version] = _with_index(value, index)
    return sorted(found.values(), key=lambda value: (value.component, value.version or ""))


def _of_persona(
    persona: Persona, versions: Mapping[str, Sequence[str]]
) -> Iterator[ReferenceValue]:
    pages = persona.draw() if persona.roots else {}
    for root in persona.roots.values():
        maker, places = persona.make, _places(root)
        if isinstance(root, SpdmRoot):
            maker = root.maker
            yield from _of_model(root)
        for entry, index in places.items():
            current = image_of(entry, pages.get(uri(entry)))
            others = (version_before(current.version), *versions.get(current.component, ()))
            for version in (current.version, *others):
                yield _of_image(Image(current.component, version), "firmware", maker, index)


def _places(root: Root) -> dict[str, dict[str, int]]:
    """Firmware inventory entry -> at which index of the root's measurements it is."""
    if isinstance(root, SpdmRoot):
        return {entry: {root.model: n} for n, entry in enumerate(root.firmware, 2)}
    return {entry: {} for entry in (root.firmware, *root.adapters)}


def _of_model(root: SpdmRoot) -> Iterator[ReferenceValue]:
    rom, after = rom_of(root.model), len(root.firmware) + 2
    yield _of_image(rom, "rom", root.maker, {root.model: 1})
    for n, (kind, word) in enumerate(((HARDWARE, "hardware"), (CONFIGURATION, "configuration"))):
        data = configuration(root.model, kind)
        digests = {_NAMES[name]: h.of(data).hex() for name, h in HASHINGS.items()}
        yield ReferenceValue(component=f"{root.model} {word}", version=None, kind=word,
                             maker=root.maker, digests=digests,
                             index={root.model: after + n})  # fmt: skip


def _of_image(image: Image, kind: str, maker: str, index: Mapping[str, int]) -> ReferenceValue:
    return ReferenceValue(
        component=image.component,
        version=image.version,
        kind=kind,
        maker=maker,
        digests={_NAMES[name]: image.digest(h).hex() for name, h in HASHINGS.items()},
        svn=image.svn if kind == "firmware" else None,
        index=index,
    )


def _with_index(value: ReferenceValue, index: Mapping[str, int]) -> ReferenceValue:
    return ReferenceValue(**{**asdict(value), "index": index})


def as_json(values: Iterable[ReferenceValue]) -> bytes:
    body = {"kind": "ReferenceValues", "items": [asdict(value) for value in values]}
    return json.dumps(body, indent=1, sort_keys=True).encode()


def as_corim(values: Iterable[ReferenceValue], *, of: str = "simulated hall") -> bytes:
    """An unsigned CoRIM with one CoMID of reference triples."""
    comid = {
        1: {0: f"{of} firmware"},
        4: {0: [_triple(value) for value in values]},
    }
    inner = cbor2.CBORTag(_COMID, cbor2.dumps(comid, canonical=True))
    return cbor2.dumps(cbor2.CBORTag(_CORIM, {0: of, 1: [inner]}), canonical=True)


def _triple(value: ReferenceValue) -> list[Any]:
    """Environment (class of maker and component) and its measurements."""
    measured: dict[int, Any] = {
        2: [[_NAMED_INFORMATION[h], bytes.fromhex(d)] for h, d in value.digests.items()]
    }
    if value.version is not None:
        measured[0] = {0: value.version}
    if value.svn is not None:
        measured[1] = cbor2.CBORTag(_SVN, value.svn)
    places = sorted(set(value.index.values()))
    key = {0: places[0]} if len(places) == 1 else {}
    return [{0: {1: value.maker, 2: value.component}}, [{**key, 1: measured}]]


def reference_authority(seed: str) -> Certified:
    """Who signs the reference values of a hall, below an authority below the hall's root."""
    words = ("references", seed)
    key = curve_key(ec.SECP384R1(), *words)
    above = authority(seed, "Simulated Reference Values")
    return issue(above, key, name("Simulated Reference Values signer"), words)


def signed(payload: bytes, *, seed: str) -> bytes:
    """COSE_Sign1 (RFC 9052) over a CoRIM, with the signer's chain unprotected (x5chain)."""
    signer = reference_authority(seed)
    protected = cbor2.dumps({1: _ES384, 3: "application/rim+cbor"}, canonical=True)
    to_sign = cbor2.dumps(["Signature1", protected, b"", payload])
    chain = [c.public_bytes(Encoding.DER) for c in reversed(signer.chain)]
    signature = sign(signer.key, to_sign, signing=SIGNINGS["ECDSA_P384"], hashing=SHA384)
    return cbor2.dumps(cbor2.CBORTag(_SIGNED, [protected, {_X5CHAIN: chain}, payload, signature]))


def write_references(folder: Path, values: Sequence[ReferenceValue], *, seed: str) -> list[Path]:
    """`references.json`, `references.corim` and the signed one, in a folder that exists."""
    corim = as_corim(values, of=f"hall {noise('references', seed, size=4).hex()}")
    contents = {
        "references.json": as_json(values),
        "references.corim": corim,
        "references.signed.corim": signed(corim, seed=seed),
    }
    for file, data in contents.items():
        (folder / file).write_bytes(data)
    return [folder / file for file in contents]
