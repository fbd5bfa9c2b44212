"""What stands in which rack, as far as its endpoints were read, and which of them were not yet.

An endpoint that nobody of ours has read may still be known: whoever owned it last has told what it
is (`expect`), and its cap is asked for at once. One of which nobody knows anything holds its rack's
caps where they are (`unread`), until it is read or was tried and does not answer.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from iolaus.energy.seats import Seat, reaches, seat_of
from iolaus.model.asset import Report
from iolaus.model.endpoint import Mode, Target
from iolaus.model.naming import endpoint_name


class Sat(msgspec.Struct, frozen=True):
    """`report` is None where another process read it; `driver` serves it."""

    target: Target
    report: Report | None
    seat: Seat | None
    driver: str


class RackSeats:
    """By address. `version` grows when a seat is another."""

    def __init__(self) -> None:
        self._sat: dict[str, Sat] = {}
        self._unread: dict[str, tuple[str, str]] = {}
        self.version = 0

    # --- told --------------------------------------------------------------------------------

    def learn(self, target: Target, report: Report) -> None:
        """An endpoint's last inventory. Cheap when it is the one that was learnt last."""
        last = self._sat.get(target.address)
        if last and last.report is report and last.target is target:
            return
        self._unread.pop(target.address, None)
        seat = seat_of(target, report)
        if report.partial and last and last.seat and seat and seat.cap_uri is None:
            seat = _with_cap(seat, last.seat)
        self._put(Sat(target, report, seat, report.driver))

    def expect(self, target: Target, seat: Seat, driver: str) -> bool:
        """What another process read at a target's address; False where it is not taken. It counts
        until it is read here, and only for the place in which the target stands now."""
        labels, last = target.labels, self._sat.get(target.address)
        here = seat.address == target.address and seat.name == endpoint_name(target)
        here = here and (seat.rack, seat.row) == (labels.get("rack", ""), labels.get("row", ""))
        if not here or (last and last.report):
            return False
        self._unread.pop(target.address, None)
        seat = msgspec.structs.replace(seat, managed=target.mode is Mode.MANAGED)
        self._put(Sat(target, None, seat, driver))
        return True

    def wait_for(self, target: Target) -> None:
        """It is to be read, and was not yet."""
        rack = target.labels.get("rack")
        if rack and target.address not in self._sat:
            self._unread[target.address] = rack, endpoint_name(target)

    def tried(self, address: str) -> None:
        """It does not answer: nobody waits for it."""
        self._unread.pop(address, None)

    def forget(self, address: str) -> None:
        self._unread.pop(address, None)
        self.version += self._sat.pop(address, None) is not None

    def _put(self, sat: Sat) -> None:
        last = self._sat.get(sat.target.address)
        self.version += last is None or last.seat != sat.seat
        self._sat[sat.target.address] = sat

    # --- asked -------------------------------------------------------------------------------

    def sats(self) -> Iterable[Sat]:
        return self._sat.values()

    def seats(self) -> list[Seat]:
        return [sat.seat for sat in self._sat.values() if sat.seat is not None]

    def seat(self, address: str) -> Seat | None:
        sat = self._sat.get(address)
        return sat.seat if sat else None

    def known(self, address: str) -> tuple[Seat, Report] | None:
        """Of what was read here."""
        sat = self._sat.get(address)
        return (sat.seat, sat.report) if sat and sat.seat and sat.report else None

    def addresses(self, rack: str, rows: frozenset[str]) -> list[str]:
        """The endpoints whose readings matter to a rack."""
        known = ((at, sat.seat) for at, sat in self._sat.items() if sat.seat)
        return [address for address, seat in known if reaches(seat, rack, rows)]

    def unread(self) -> dict[str, tuple[str, ...]]:
        """By rack, the names of those that were neither read nor tried."""
        racks: dict[str, list[str]] = {}
        for rack, name in self._unread.values():
            racks.setdefault(rack, []).append(name)
        return {rack: tuple(sorted(names)) for rack, names in racks.items()}


def _with_cap(seat: Seat, last: Seat) -> Seat:
    """What a reading missed has not gone away: a cap that nobody holds would be nobody's."""
    return msgspec.structs.replace(
        seat, cap_uri=last.cap_uri, least_w=last.least_w, nameplate_w=last.nameplate_w
    )
