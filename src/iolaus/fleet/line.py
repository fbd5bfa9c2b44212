"""The nodes of a wave in their order, those together of which a decision says the same.

Who stands in the same domains, takes as long and is drained alike begins or waits for the same
reasons, and within one decision room only grows less. So the first of them that waits speaks for
all behind it, and a decision over ten thousand nodes looks at a few of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Set

from iolaus.fleet.view import Sheet


class Line:
    """Of one wave in which every node is a unit of its own. `waiting` goes on changing; nobody
    comes to wait who did not from the first."""

    def __init__(self, sheet: Sheet, number: int, waiting: Set[str]) -> None:
        self.uids, self.waiting = sheet.plan.waves[number].nodes, waiting
        self.place = {uid: number for number, uid in enumerate(self.uids)}
        self.kind_of: list[int] = []
        self._kinds: list[list[int]] = []
        self._first: dict[int, int] = {}
        known: dict[tuple[object, ...], int] = {}
        for place, uid in enumerate(self.uids):
            alike = sheet.place_of[uid], sheet.nodes[uid].estimate_s, sheet.undrained(uid)
            kind = known.setdefault(alike, len(known))
            if kind == len(self._kinds):
                self._kinds.append([])
                self._first[kind] = 0
            self._kinds[kind].append(place)
            self.kind_of.append(kind)
        self._turn = [0] * len(self.uids)
        for places in self._kinds:
            for turn, place in enumerate(places):
                self._turn[place] = turn

    def heads(self, apart: Container[str]) -> Iterator[tuple[int, int]]:
        """(place, kind) of the first that waits of each kind, in no order; nobody of `apart`."""
        for kind, first in list(self._first.items()):
            places = self._kinds[kind]
            while first < len(places) and self.uids[places[first]] not in self.waiting:
                first += 1
            if first == len(places):
                del self._first[kind]
                continue
            self._first[kind] = first
            found = self._next(places, first, apart)
            if found is not None:
                yield found, kind

    def after(self, place: int, apart: Container[str]) -> int | None:
        """The place of the next of the same kind that waits."""
        return self._next(self._kinds[self.kind_of[place]], self._turn[place] + 1, apart)

    def _next(self, places: list[int], turn: int, apart: Container[str]) -> int | None:
        for at in range(turn, len(places)):
            uid = self.uids[places[at]]
            if uid in self.waiting and uid not in apart:
                return places[at]
        return None


class Held(Mapping[str, str]):
    """Why each that waits in a line does: what was `said` of it, or of its kind up to the place
    where nothing fitted any more (`stuck`, from `stuck_at` on). Worked out for whoever asks."""

    def __init__(
        self,
        line: Line,
        *,
        said: Mapping[str, str],
        begun: Set[str] = frozenset(),
        kinds: Mapping[int, str] | None = None,
        stuck: str = "",
        stuck_at: int = 0,
    ) -> None:
        self._line, self._said, self._begun = line, said, begun
        self._kinds, self._stuck, self._stuck_at = kinds or {}, stuck, stuck_at

    def __getitem__(self, uid: str) -> str:
        line = self._line
        if uid in self._said:
            return self._said[uid]
        place = line.place.get(uid)
        if place is None or uid in self._begun or uid not in line.waiting:
            raise KeyError(uid)
        of_kind = self._kinds.get(line.kind_of[place])
        if of_kind is not None and not (self._stuck and place >= self._stuck_at):
            return of_kind
        return self._stuck

    def __iter__(self) -> Iterator[str]:
        waiting, begun, said = self._line.waiting, self._begun, self._said
        return (
            uid for uid in self._line.uids if uid in said or (uid in waiting and uid not in begun)
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)
