"""The memory of identities: who stands where, and what became of those in a new report.

Two passes over a report: first everyone who is still at its place or under a new name at the same
endpoint, then the newcomers, who may be known from elsewhere. All places are emptied before any is
taken, so that a whole hall may change its addresses at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

from iolaus.model.asset import Asset
from iolaus.store.identity import (
    IdentityConflict,
    KnownAsset,
    Likeness,
    Token,
    Verdict,
    compare,
    conflict_of,
    learn,
    tokens_of,
    tokens_of_known,
)

Live = Callable[[str], bool]


class Sighted(msgspec.Struct, frozen=True):
    """`verdicts` in the order of the report; `lost` stood at the endpoint and are not in it."""

    verdicts: tuple[Verdict, ...]
    lost: tuple[KnownAsset, ...]


class Registry:
    """Every asset known, by uid, by place and by token. `changed` collects uids to be saved."""

    def __init__(self, *, new_uid: Callable[[], str]) -> None:
        self._new_uid = new_uid
        self._assets: dict[str, KnownAsset] = {}
        self._places: dict[str, dict[str, str]] = defaultdict(dict)
        self._holders: dict[Token, set[str]] = defaultdict(set)
        self._crowded: set[Token] = set()
        self.changed: set[str] = set()

    def get(self, uid: str) -> KnownAsset | None:
        return self._assets.get(uid)

    def present_at(self, endpoint: str) -> dict[str, str]:
        """uid by asset key."""
        places = self._places.get(endpoint, {})
        return {key: uid for key, uid in places.items() if self._assets[uid].present}

    def load(self, asset: KnownAsset) -> None:
        self._put(asset)
        self.changed.discard(asset.uid)

    def leave(self, endpoint: str) -> None:
        """The endpoint is no longer asked for: its assets stay known, and are nowhere."""
        for uid in list(self._places[endpoint].values()):
            self._put(msgspec.structs.replace(self._assets[uid], present=False))

    def conflicts(self) -> tuple[IdentityConflict, ...]:
        found = (
            conflict_of(token, (self._assets[uid] for uid in self._holders[token]))
            for token in sorted(self._crowded)
        )
        return tuple(conflict for conflict in found if conflict is not None)

    def conflicts_of(self, uid: str) -> tuple[IdentityConflict, ...]:
        mine = tokens_of_known(self._assets[uid]) & self._crowded
        found = (conflict_of(t, map(self._assets.__getitem__, self._holders[t])) for t in mine)
        return tuple(conflict for conflict in found if conflict is not None)

    def sight(
        self,
        *,
        endpoint: str,
        at: float,
        assets: Iterable[Asset],
        live: Live,
        keep: Collection[str] = (),
    ) -> Sighted:
        """Match a report's assets. `live(endpoint)`: it still answers. `keep` are keys that the
        report could not read: who stands there stays although the report does not show it."""
        seen = {asset.key: asset for asset in assets}
        places = dict(self._places[endpoint])
        mine = self._staying(seen, places, live)
        mine |= self._renamed(seen, places, mine, keep)
        taken, verdicts = set(mine.values()), []
        for key, asset in seen.items():
            stays = key in mine
            verdict = (
                self._stay(mine[key], live, taken) if stays else self._arrive(asset, live, taken)
            )
            taken |= {verdict.uid, verdict.merged or verdict.uid}
            verdicts.append(msgspec.structs.replace(verdict, key=key))
        standing = {k: self._assets[u] for k, u in places.items() if self._assets[u].present}
        gone = {k: a for k, a in standing.items() if a.uid not in taken and k not in keep}
        settled = [
            msgspec.structs.replace(v, displaced=gone.pop(v.key)) if v.key in gone else v
            for v in verdicts
        ]
        self._settle(endpoint, at, seen, settled, gone)
        return Sighted(tuple(settled), tuple(gone.values()))

    def _staying(
        self, seen: Mapping[str, Asset], places: Mapping[str, str], live: Live
    ) -> dict[str, str]:
        found = {}
        for key in seen.keys() & places.keys():
            known, asset = self._assets[places[key]], seen[key]
            likeness = compare(known.identity, asset.identity, in_place=True)
            if likeness is Likeness.UNCLEAR and (
                any(_is_same(self._assets[uid], asset) for uid in places.values())
                or self._movable(asset, live, {known.uid})
            ):
                continue
            if likeness is not Likeness.OTHER:
                found[key] = known.uid
        return found

    def _renamed(
        self,
        seen: Mapping[str, Asset],
        places: Mapping[str, str],
        mine: Mapping[str, str],
        keep: Collection[str],
    ) -> dict[str, str]:
        """Resources get new names by a firmware update: find assets under another key."""
        free = {k: self._assets[u] for k, u in places.items() if k not in mine and k not in keep}
        found: dict[str, str] = {}
        for key in [key for key in seen if key not in mine]:
            same = [k for k, a in free.items() if _is_same(a, seen[key])]
            if len(same) == 1:
                found[key] = free.pop(same[0]).uid
        for key in [key for key in seen if key not in mine and key not in places]:
            left = _only_one_left(seen, free, {**mine, **found}, key)
            if left and key not in found:
                found[key] = free.pop(left[0]).uid
        return found

    def _stay(self, uid: str, live: Live, taken: Collection[str]) -> Verdict:
        """A provisional asset may turn out to have moved here, or to be another one for good."""
        mine = self._assets[uid]
        stay = Verdict(key=mine.key, uid=uid, back=not mine.present, provisional=mine.provisional)
        if not mine.provisional:
            return stay
        rivals = self._alike(tokens_of_known(mine), mine, taken)
        if len(rivals) == 1 and rivals[0].seen_at < mine.placed_at:
            if _stands(rivals[0], live):
                return stay
            return Verdict(key=mine.key, uid=rivals[0].uid, moved_from=rivals[0], merged=uid)
        return msgspec.structs.replace(stay, provisional=False)

    def _arrive(self, asset: Asset, live: Live, taken: Collection[str]) -> Verdict:
        if (moved := self._movable(asset, live, taken)) is not None:
            return Verdict(key=asset.key, uid=moved.uid, moved_from=moved)
        alone = len(self._rivals(asset, taken)) == 1
        return Verdict(key=asset.key, uid=self._new_uid(), new=True, provisional=alone)

    def _movable(self, asset: Asset, live: Live, taken: Collection[str]) -> KnownAsset | None:
        found = self._rivals(asset, taken)
        return found[0] if len(found) == 1 and not _stands(found[0], live) else None

    def _rivals(self, asset: Asset, taken: Collection[str]) -> list[KnownAsset]:
        tokens = tokens_of(
            kind=asset.kind, vendor=asset.vendor, model=asset.model, identity=asset.identity
        )
        return self._alike(tokens, asset, taken)

    def _alike(
        self, tokens: Iterable[Token], asset: Asset | KnownAsset, but: Collection[str]
    ) -> list[KnownAsset]:
        uids = {uid for token in tokens for uid in self._holders.get(token, ())}
        found = (self._assets[uid] for uid in sorted(uids.difference(but)))
        return [known for known in found if _is_same(known, asset)]

    def _settle(
        self,
        endpoint: str,
        at: float,
        seen: Mapping[str, Asset],
        verdicts: Iterable[Verdict],
        gone: Mapping[str, KnownAsset],
    ) -> None:
        displaced = [v.displaced for v in verdicts if v.displaced is not None]
        for known in [*displaced, *gone.values()]:
            self._put(msgspec.structs.replace(known, present=False))
        before = {v.uid: self._assets.get(v.uid) for v in verdicts}
        for uid in [*before, *(v.merged for v in verdicts if v.merged is not None)]:
            self._forget(uid)
        for verdict in verdicts:
            known = _sighted(verdict, before[verdict.uid], seen[verdict.key], endpoint, at)
            self._put(known)

    def _put(self, asset: KnownAsset) -> None:
        self._forget(asset.uid)
        self._assets[asset.uid] = asset
        for token in tokens_of_known(asset):
            self._holders[token].add(asset.uid)
            if len(self._holders[token]) > 1:
                self._crowded.add(token)
        place, occupant = self._places[asset.endpoint], None
        occupant = self._assets.get(place.get(asset.key, ""))
        if asset.present or occupant is None or not occupant.present:
            place[asset.key] = asset.uid
        self.changed.add(asset.uid)

    def _forget(self, uid: str) -> None:
        if (asset := self._assets.pop(uid, None)) is None:
            return
        for token in tokens_of_known(asset):
            self._holders[token].discard(uid)
            if len(self._holders[token]) < 2:
                self._crowded.discard(token)
            if not self._holders[token]:
                del self._holders[token]
        if self._places[asset.endpoint].get(asset.key) == uid:
            del self._places[asset.endpoint][asset.key]
        self.changed.add(uid)


def _sighted(
    verdict: Verdict, before: KnownAsset | None, asset: Asset, endpoint: str, at: float
) -> KnownAsset:
    stayed = before is not None and before.endpoint == endpoint and before.present
    return KnownAsset(
        uid=verdict.uid,
        kind=asset.kind,
        identity=learn(before.identity if before else None, asset.identity),
        endpoint=endpoint,
        key=verdict.key,
        placed_at=before.placed_at if before and stayed else at,
        seen_at=at,
        vendor=asset.vendor or (before.vendor if before else None),
        model=asset.model or (before.model if before else None),
        provisional=verdict.provisional,
    )


def _is_same(known: KnownAsset, asset: Asset | KnownAsset) -> bool:
    if known.kind is not asset.kind:
        return False
    return compare(known.identity, asset.identity, in_place=False) is Likeness.SAME


def _only_one_left(
    seen: Mapping[str, Asset],
    free: Mapping[str, KnownAsset],
    mine: Mapping[str, str],
    key: str,
) -> list[str]:
    """One of a kind is unaccounted for and one of it is new, and nothing says they differ."""
    kind = seen[key].kind
    left = [k for k, a in free.items() if a.kind is kind and a.present]
    fresh = [k for k, asset in seen.items() if asset.kind is kind and k not in mine]
    if len(left) != 1 or len(fresh) != 1:
        return []
    likeness = compare(free[left[0]].identity, seen[key].identity, in_place=True)
    return left if likeness is not Likeness.OTHER else []


def _stands(known: KnownAsset, live: Live) -> bool:
    return known.present and live(known.endpoint)
