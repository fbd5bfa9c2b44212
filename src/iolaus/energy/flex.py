"""Load targets of the grid as a limit that changes with time. Pure.

A target holds from its start to its end, or until another one for the same feeds takes its place.
What holds at once is held at once: the lowest counts. A target for feeds that are not ours is not
ours to obey; one for some of our feeds limits these, and none of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from iolaus.wire.dsx.flex import LoadTarget

ALL = ""
"""Stands for the whole site among limits by domain."""


class Schedule:
    """`feeds` are the grid's names of our feeds and the domains that they are."""

    def __init__(self, feeds: Mapping[str, str], targets: Iterable[LoadTarget] = ()) -> None:
        self.feeds, self.targets = feeds, list(targets)

    def foreign(self, target: LoadTarget) -> Sequence[str]:
        """The feeds of a target that are none of ours."""
        return [feed for feed in target.feeds if feed not in self.feeds]

    def take(self, target: LoadTarget, *, at: float) -> None:
        """From its start on it takes the place of what its sender said before of the same feeds
        (lifting all limits: of any); what is over is forgotten."""
        left = (_before(each, target) for each in self.targets)
        self.targets = [each for each in left if each and (each.end_s is None or each.end_s > at)]
        self.targets.append(target)

    def limits(self, at: float) -> Mapping[str, float]:
        """Watts by domain that hold at `at` (seconds since 1970); `ALL` is the site."""
        found: dict[str, float] = {}
        for each in self.active(at):
            if each.limit_w is None:
                continue
            known = [self.feeds[feed] for feed in each.feeds if feed in self.feeds]
            for domain in known if each.feeds else [ALL]:
                found[domain] = min(found.get(domain, each.limit_w), each.limit_w)
        return found

    def active(self, at: float) -> Sequence[LoadTarget]:
        return [
            each
            for each in self.targets
            if each.start_s <= at and (each.end_s is None or at < each.end_s)
        ]


def _before(old: LoadTarget, new: LoadTarget) -> LoadTarget | None:
    """What is left of a target when another one comes; None: nothing."""
    lifts_all = new.limit_w is None and not new.feeds
    same = lifts_all or frozenset(new.feeds) == frozenset(old.feeds)
    if new.source != old.source or new.event_id == old.event_id or not same:
        return old
    if old.start_s >= new.start_s:
        return old if new.end_s is not None and old.start_s >= new.end_s else None
    if old.end_s is not None and old.end_s <= new.start_s:
        return old
    return msgspec.structs.replace(old, end_s=new.start_s)
