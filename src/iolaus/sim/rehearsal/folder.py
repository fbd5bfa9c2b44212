"""A site file beside the captures that it names: what `iolaus sim hall` serves as a twin.

    DIR/site.yaml
    DIR/captures/NAME.tar.xz     in the DMTF's mock-up layout, so that `sim replay` reads it too

Captures are written without secrets, whatever they held, and, unless they shall stay themselves,
without serial numbers, UUIDs and addresses: others of the same look stand in their place.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.rehearsal.recorded import kind_of, members, own_words, recorded
from iolaus.sim.replay import Capture, read_captures
from iolaus.sim.tree import ROOT, Resource, canonical, decode

REMOVED: Final = "(removed)"
SECRET: Final = re.compile(
    r"^(.*pass(word|phrase).*|.*secret.*|.*token|.*private_?key.*|community.*|key(string)?|cookie"
    r"|otp|psk|ssh_?key.*|license_?string|(auth|encryption)entication_?key)$",
    re.IGNORECASE,
)
HARMLESS: Final = re.compile(
    r"policy|length|enabled|expir|required|supported|type$|count|lockout|complexity|min|max",
    re.IGNORECASE,
)
NETWORK: Final = "127.64.0.0/16"
Resources = Mapping[str, Resource]


class Shape(NamedTuple):
    """One kind of machine: its resources, as they are written down."""

    name: str
    resources: Resources
    kind: str


class Standing(NamedTuple):
    """One machine: what it is called, which shape it has, and where it stands."""

    name: str
    shape: str
    labels: Mapping[str, str]


def from_captures(
    paths: Sequence[Path], out: Path, *, keep: bool = False, copies: int = 1
) -> tuple[Path, int]:
    """Write a site of these captures; its file, and how many machines it has. Raises."""
    shapes, found = list[Shape](), list[Standing]()
    for capture in read_captures(list(paths)):
        resources = resources_of(capture)
        systems = tuple(canonical(u) for u in members(resources, f"{ROOT}/Systems"))
        name = plain_name(capture.name, {shape.name for shape in shapes})
        kind = kind_of(resources, systems)[0]
        shapes.append(Shape(name, cleaned(resources, keep=keep), kind))
        many = range(1, copies + 1)
        names = [name if copies == 1 else f"{name}-{n}" for n in many]
        found += [Standing(each, name, {}) for each in names]
    if not shapes:
        raise unusable("-", "no capture was given", "give a folder or tar.xz of a capture.")
    return write_site(out, shapes, found, name=plain_name(out.stem, set()), keep=keep), len(found)


def write_site(
    out: Path,
    shapes: Iterable[Shape],
    found: Iterable[Standing],
    *,
    name: str,
    keep: bool = False,
    seed: int = 0,
) -> Path:
    """`out` is a folder, or the path of the site file; captures go beside it. Raises."""
    file = out if out.suffix in (".yaml", ".yml") else out / "site.yaml"
    captures: dict[str, Any] = {}
    try:
        (file.parent / "captures").mkdir(parents=True, exist_ok=True)
        for shape in shapes:
            place = f"captures/{shape.name}.tar.xz"
            archive(file.parent / place, shape.resources)
            recorded(shape.resources, name=shape.name, kind=shape.kind)
            captures[shape.name] = {"path": place, "kind": shape.kind}
            captures[shape.name] |= {"serials": "captured"} if keep else {}
        spec = {
            "seed": seed,
            "network": {"cidr": NETWORK},
            "captures": captures,
            "devices": [_standing(each) for each in found],
        }
        head = {"apiVersion": "iolaus.dev/v1", "kind": "Site", "metadata": {"name": name}}
        text = yaml.safe_dump({**head, "spec": spec}, sort_keys=False, allow_unicode=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        why = f"cannot be written: {error.strerror or error}"
        raise unusable(str(out), why, "give -o a folder that can be written.") from None
    return file


def resources_of(capture: Capture) -> dict[str, Resource]:
    return {uri: decode(page.body) for uri, page in capture.template.pages.items()}


def cleaned(resources: Resources, *, keep: bool) -> dict[str, Resource]:
    """Without secrets and, unless they are kept, without what is one machine's own."""
    words = {} if keep else {text: made_up(text) for text, _ in own_words(resources)}
    long = sorted((re.escape(word) for word in words if len(word) >= 6), key=len, reverse=True)
    parts = re.compile("|".join(long)) if long else None
    return {uri: _clean(body, "", words, parts) for uri, body in resources.items()}


def made_up(text: str) -> str:
    """Another word of the same look, always the same for the same word."""
    noise = iter(blake2b(text.encode(), digest_size=64).digest() * 4)
    return "".join(_letter(c, next(noise, 7)) for c in text)


def archive(file: Path, resources: Resources) -> None:
    """A capture, the same bytes for the same resources."""
    with tarfile.open(file, "w:xz") as tar:
        for uri, body in sorted(resources.items()):
            data = json.dumps(body, indent=1, ensure_ascii=False).encode()
            info = tarfile.TarInfo(f"{uri.strip('/')}/index.json")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def plain_name(text: str, taken: set[str]) -> str:
    """A name that a file and a device may have."""
    stem = re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip("-.") or "machine"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def unusable(subject: str, why: str, next_step: str) -> OperatorMust:
    return OperatorMust(why, operation="make twin of", subject=subject, next_step=next_step)


def _standing(each: Standing) -> dict[str, Any]:
    found: dict[str, Any] = {"name": each.name, "persona": each.shape}
    return found | ({"labels": dict(each.labels)} if each.labels else {})


def _letter(c: str, noise: int) -> str:
    if c.isdigit():
        return str(noise % 10)
    if c.lower() in "abcdef":
        letter = "abcdef"[noise % 6]
    elif c.isascii() and c.isalpha():
        letter = "ghjklmnpqrstuvwxyz"[noise % 18]
    else:
        return c
    return letter.upper() if c.isupper() else letter


def _clean(found: Any, key: str, words: Mapping[str, str], parts: re.Pattern[str] | None) -> Any:
    if isinstance(found, dict):
        return {name: _clean(value, name, words, parts) for name, value in found.items()}
    if isinstance(found, list):
        return [_clean(value, key, words, parts) for value in found]
    if not isinstance(found, str) or not found:
        return found
    if "PRIVATE KEY-----" in found or (SECRET.match(key) and not HARMLESS.search(key)):
        return REMOVED
    if key.startswith("@odata") or found.startswith("/redfish"):
        return found
    if found in words:
        return words[found]
    return parts.sub(lambda match: words[match[0]], found) if parts is not None else found
