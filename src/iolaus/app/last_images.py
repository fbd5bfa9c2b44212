"""Which image a broken component is given again: the one that it ran well, or that a person names.

What ran before stands in the history: where the version that is broken came by a change, the last
good one is what it changed from; else it is the version itself. The image comes from the folder of
roll-outs, is known by its hash, and must say which version it brings: that is what is read back.
Where policy wants a signature, an image without one is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from iolaus.app.documents import open_package
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.folder import ImageFolder
from iolaus.fleet.images import Choice, Image, choose_old
from iolaus.kernel.errors import OperatorMust
from iolaus.model.asset import Asset, Firmware
from iolaus.model.plan import Asked
from iolaus.model.proof import Provers
from iolaus.model.recovery import ReflashWant
from iolaus.model.trust import Signature
from iolaus.model.version import same
from iolaus.recovery.reflash import MANAGER, Proof, Push
from iolaus.store.changes import Change
from iolaus.store.facts import Facts
from iolaus.store.held import Held
from iolaus.store.journal import StoredJournal
from iolaus.trust.manifests import anchor_keys
from iolaus.trust.signing import PublicKey, read_anchors

MOST_CHANGES: Final = 50
Provide = Callable[[NodeFacts], Provers]


class Found(NamedTuple):
    """`lacks` says of which component there is no image, and why."""

    pushes: tuple[Push, ...] = ()
    lacks: str = ""


class LastImages:
    """`provers` says who vouches for what at a node; `anchors` is the folder of keys that we
    trust."""

    def __init__(
        self,
        *,
        facts: Facts,
        journal: StoredJournal,
        folder: ImageFolder,
        anchors: Path,
        provers: Provide,
    ) -> None:
        self._facts, self._journal, self._provers = facts, journal, provers
        self.folder, self._anchors = folder, anchors

    async def of(
        self,
        facts: NodeFacts,
        place: tuple[Held, Asset],
        broken: Iterable[str],
        *,
        asked: Asked,
        want: ReflashWant,
    ) -> Found:
        """For everything broken of a node. Raises `OperatorMust` for a note that cannot be read."""
        held, asset = place
        report = held.report.firmware if held.report else ()
        entries = [f for f in report if f.component in broken and f.asset == asset.key]
        if not entries:
            return Found()
        images, named = await self.folder.images(), asked.arguments.get("image")
        provers = self._provers(facts)
        pushes, lacks = [], []
        for entry in entries:
            changes = await self._changes(facts.uid, entry)
            entry = _known_kind(entry, asset, changes)
            chosen = _chosen(entry, images, asset.model, changes, named)
            why = chosen if isinstance(chosen, str) else await self._unsigned(chosen, want)
            if why or isinstance(chosen, str):
                lacks.append(why)
            else:
                pushes.append(_push(entry, chosen, want, _proof(facts.uid, entry, chosen, provers)))
        return Found(tuple(pushes), "; ".join(lacks))

    async def sent(self, uid: str, recovery: str, component: str) -> Mapping[str, object] | None:
        """The receipt of a push, by the journals of what is not over; `recovery` is what the ids
        of its steps begin with."""
        for entry in sorted(await self._journal.sent_to(uid), key=lambda each: each.at):
            receipt = entry.doc.get("receipt", {})
            mine = (entry.step or "").startswith(f"{recovery}-")
            if mine and receipt.get("component") == component:
                return dict(receipt)
        return None

    async def _changes(self, uid: str, entry: Firmware) -> Sequence[Change]:
        return await self._facts.history(
            limit=MOST_CHANGES, asset=uid, component=entry.component, field="version"
        )

    async def _unsigned(self, choice: Choice, want: ReflashWant) -> str:
        """Why the image may not be pushed; "": it may."""
        if not want.signed:
            return ""
        opened = await asyncio.to_thread(
            lambda: open_package(self.folder.folder / choice.file, list(self._keys()))
        )
        if opened.verdict.signature is Signature.VALID:
            return ""
        told = f"{choice.file} is not signed by a key of ours"
        return f"{told}, and policy wants that (reflash: {{signed: true}})"

    def _keys(self) -> Iterator[tuple[str, PublicKey]]:
        files = sorted(self._anchors.iterdir()) if self._anchors.is_dir() else []
        anchors = read_anchors((p.name, p.read_bytes()) for p in files if p.is_file())
        yield from anchors.keys
        yield from anchor_keys(anchors)


def good_versions(entry: Firmware, changes: Iterable[Change]) -> list[str]:
    """Versions that a broken component is brought back to, best first. `changes` of its version,
    newest first."""
    rows = list(changes)
    befores = [row.before for row in rows]
    came = bool(rows) and rows[0].after == entry.version
    found = [*befores, entry.version] if came else [entry.version, *befores]
    return list(dict.fromkeys(each for each in found if each))


def _known_kind(entry: Firmware, asset: Asset, changes: Iterable[Change]) -> Firmware:
    """An entry that is known by its version alone loses that with it; the controller still tells
    the version that it runs from memory, some with the entry's name before it."""
    mine = (asset.bmc_firmware or "").removeprefix(entry.name).strip()
    told = mine and any(
        same(version, mine, scheme=entry.scheme) for version in good_versions(entry, changes)
    )
    return msgspec.structs.replace(entry, kind=MANAGER) if told and not entry.kind else entry


def _chosen(
    entry: Firmware,
    images: Mapping[str, Image],
    model: str | None,
    changes: Iterable[Change],
    named: str | None,
) -> Choice | str:
    """The image, or why there is none."""
    if named is not None:
        return _named(entry, images, model, named)
    versions = good_versions(entry, changes)
    for version in versions:
        was = msgspec.structs.replace(entry, version=version)
        if choice := choose_old(was, images, model=model, scheme=entry.scheme):
            return choice
    told = " or ".join(versions[:2]) or "any version"
    return f"no image is known that brings {entry.component} back to {told}"


def _named(
    entry: Firmware, images: Mapping[str, Image], model: str | None, name: str
) -> Choice | str:
    image = images.get(name)
    if image is None:
        raise OperatorMust(
            "there is no such image",
            operation="recover",
            subject=name,
            code="NoSuchImage",
            next_step=f"put it into images/; there is: {', '.join(sorted(images)[:5]) or 'none'}.",
        )
    version = image.brings(entry)
    if version is None:
        return f"{name} does not say which version it brings to {entry.component} ({name}.yaml)"
    if not image.is_for(model):
        return f"{name} is for {', '.join(image.models)}, not for {model}"
    return Choice(file=image.file, sha256=image.sha256, size=image.size, version=version)


def _push(entry: Firmware, choice: Choice, want: ReflashWant, proof: Proof | None) -> Push:
    source = want.source.rstrip("/")
    return Push(
        component=entry.component,
        uri=entry.uri,
        kind=entry.kind,
        file=choice.file,
        sha256=choice.sha256,
        version=choice.version or "",
        scheme=entry.scheme,
        fetch=f"{source}/{choice.file}" if source else "",
        proof=proof,
    )


def _proof(uid: str, entry: Firmware, choice: Choice, provers: Provers) -> Proof | None:
    links = (each for each in provers.links.get(uid, ()) if each.component == entry.component)
    for link in links:
        references = tuple(
            each.reference
            for each in provers.releases.get(link.part, ())
            if same(each.version, choice.version or "", scheme=entry.scheme)
        )
        if references:
            return Proof(attester=link.attester, part=link.part, references=references)
    return None
