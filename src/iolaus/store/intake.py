"""Taking in what was read: who is it, what changed, what is worth telling.

One report may concern several endpoints' pictures (an asset moved here from there), so this is
where the order is kept: first identities, then the pictures, then the comparison with what was
known of *that asset* wherever it stood. Nothing here waits or writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from iolaus.model.asset import HotUpdate, Report
from iolaus.model.endpoint import Event, Reach
from iolaus.store.changes import Carry, Change, Differ, View, views_of
from iolaus.store.held import Held, drop_asset, keep_unread, lay_hot, lay_report
from iolaus.store.identity import IdentityConflict, Verdict
from iolaus.store.packing import pack
from iolaus.store.registry import Registry, Sighted
from iolaus.store.sharing import Sharing
from iolaus.store.tell import tell_changes, tell_conflict, tell_lost, tell_verdict


class Taken(msgspec.Struct, kw_only=True):
    """What taking something in led to. `touched` are endpoints whose picture changed besides the
    one that was read; `merged` maps a uid that is no more to the asset that it was."""

    changes: list[Change] = []
    events: list[Event] = []
    touched: set[str] = set()
    merged: dict[str, str] = {}


class Intake:
    """Works on the picture `held` (endpoint -> Held), which it changes."""

    def __init__(self, *, held: dict[str, Held], registry: Registry, sharing: Sharing) -> None:
        self._held, self._registry, self._sharing = held, registry, sharing
        self.carries: dict[str, Carry] = {}

    def take_report(self, held: Held, report: Report) -> Taken:
        report, unread = keep_unread(report, held.report)
        report = self._sharing.share(report, held.report)
        read = [asset for asset in report.assets if asset.key not in unread]
        conflicts = self._conflicts(held.uids.values())
        sighted = self._registry.sight(
            endpoint=report.endpoint,
            at=report.observed_at,
            assets=read,
            live=self._is_live,
            keep=unread,
        )
        before = self._views_before(held, sighted.verdicts)
        taken = Taken()
        for verdict in sighted.verdicts:
            self._unplace(verdict, report.endpoint, taken)
        lay_report(held, report)
        held.readings = {self._sharing.key(k): r for k, r in held.readings.items()}
        held.uids = {k: u for k, u in held.uids.items() if k in unread}
        held.uids |= {verdict.key: verdict.uid for verdict in sighted.verdicts}
        self._compare(held, report, sighted, before, taken)
        self._tell_conflicts(conflicts, report, held.uids.values(), taken)
        return taken

    def packed_carry(self, uid: str) -> bytes:
        """What is carried for an asset, as it is now; nothing if a device's text forbids it."""
        try:
            return pack(self.carries.get(uid) or Carry())
        except ValueError:
            return pack(Carry(whole=self.carries[uid].whole))

    def take_hot(self, held: Held, update: HotUpdate) -> Taken:
        for reading in update.readings:
            self._sharing.slim(reading)
        before, taken = dict(held.assets), Taken()
        lay_hot(held, update)
        for key, asset in held.assets.items():
            if asset is not before.get(key) and key in held.uids:
                differ = self._differ(held.target.address, held.uids[key], update.at)
                taken.changes += differ.diff_standing(before[key], asset)
        taken.events += tell_changes(taken.changes)
        return taken

    def _compare(
        self,
        held: Held,
        report: Report,
        sighted: Sighted,
        before: Mapping[str, View],
        taken: Taken,
    ) -> None:
        endpoint, at = report.endpoint, report.observed_at
        after = views_of(report, held.assets)
        for verdict in sighted.verdicts:
            view = after[verdict.key]
            taken.events += tell_verdict(verdict, view.asset, endpoint, at)
            differ = self._differ(endpoint, verdict.uid, at)
            changes = differ.diff(before.get(verdict.uid), view)
            taken.changes += changes
            taken.events += tell_changes(changes)
        taken.events += (tell_lost(known, endpoint, at) for known in sighted.lost)

    def _differ(self, endpoint: str, uid: str, at: float) -> Differ:
        carry = self.carries.setdefault(uid, Carry())
        return Differ(endpoint=endpoint, uid=uid, at=at, carry=carry)

    def _views_before(self, held: Held, verdicts: Iterable[Verdict]) -> dict[str, View]:
        """What was known of each asset, by uid, wherever it stood."""
        here = views_of(held.report, held.assets) if held.report is not None else {}
        stood = {held.uids.get(key): view for key, view in here.items()}
        found = {}
        for verdict in verdicts:
            view = stood.get(verdict.merged or verdict.uid)
            if view is None and (there := verdict.moved_from) is not None:
                view = self._view_at(there.endpoint, there.key, verdict.uid)
            if view is not None:
                found[verdict.uid] = view
        return found

    def _view_at(self, endpoint: str, key: str, uid: str) -> View | None:
        there = self._held.get(endpoint)
        if there is None or there.report is None or there.uids.get(key) != uid:
            return None
        return views_of(there.report, there.assets).get(key)

    def _unplace(self, verdict: Verdict, endpoint: str, taken: Taken) -> None:
        if verdict.merged is not None:
            taken.merged[verdict.merged] = verdict.uid
            if (carry := self.carries.pop(verdict.merged, None)) is not None:
                self.carries[verdict.uid] = carry
        moved = verdict.moved_from
        if moved is None or moved.endpoint == endpoint:
            return
        there = self._held.get(moved.endpoint)
        if there is not None and there.uids.get(moved.key) == verdict.uid:
            drop_asset(there, moved.key)
            taken.touched.add(moved.endpoint)

    def _is_live(self, endpoint: str) -> bool:
        """Something answers there as it did; never tried yet counts as answering."""
        held = self._held.get(endpoint)
        return held is not None and (held.status is None or held.status.reach is Reach.REACHABLE)

    def _conflicts(self, uids: Iterable[str]) -> dict[tuple[str, str], IdentityConflict]:
        known = (uid for uid in uids if self._registry.get(uid) is not None)
        found = (conflict for uid in known for conflict in self._registry.conflicts_of(uid))
        return {(conflict.sort, conflict.value): conflict for conflict in found}

    def _tell_conflicts(
        self,
        before: Mapping[tuple[str, str], IdentityConflict],
        report: Report,
        uids: Iterable[str],
        taken: Taken,
    ) -> None:
        after = self._conflicts(uids)
        endpoint, at = report.endpoint, report.observed_at
        for key in after.keys() - before.keys():
            taken.events.append(tell_conflict(after[key], endpoint, at, over=False))
        for key in before.keys() - after.keys():
            taken.events.append(tell_conflict(before[key], endpoint, at, over=True))
