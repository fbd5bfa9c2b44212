"""A hall of simulated machines: seats, built from a site in moments, however many.

A `Seat` is one management controller in its place: an address, a name, labels, a persona, its
tree and its life. Seats of one persona share one drawing, so a thousand nodes cost what differs
between them. Wiring follows from where things stand: shelves of a rack feed the machines that
have no supplies of their own, strips feed the others, coolant units serve the liquid-cooled
machines of their rack or else their row.

Naming: racks are numbered through a hall (h1-r07), nodes carry their height unit (h1-r07-u12),
all else its word and a number (h1-r07-ps1, h1-a-cdu1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust
from iolaus.sim.device import Device, Latency, Options
from iolaus.sim.effects import compose
from iolaus.sim.firmware.updates import updates_of
from iolaus.sim.hall_life import Life
from iolaus.sim.hall_site import Placement, RackTemplate, Site
from iolaus.sim.hall_wear import Wear, imperfections
from iolaus.sim.hall_words import SeatTree, Words, drawing_of
from iolaus.sim.manners import certificates
from iolaus.sim.manners.house import manners_of
from iolaus.sim.personas.persona import Persona
from iolaus.sim.roots.redfish import roots_of

WORDS: Final[Mapping[str, str]] = {
    "powershelf": "ps",
    "pdu": "pdu",
    "cdu": "cdu",
    "switch": "sw",
    "leak": "rope",
    "chassis": "cmc",
    "dpu": "dpu",
}
RACK_PITCH_M: Final = 0.8
MOST_DEVICES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Spot:
    """A place for one machine, before it has an address."""

    name: str
    persona: Persona
    labels: Mapping[str, str]


class Seat:
    """One device of the hall. `device` makes the engine's device of it."""

    __slots__ = (
        "address", "labels", "latency", "life", "name", "persona", "roots", "seed", "tree", "wear",
    )  # fmt: skip

    def __init__(
        self, spot: Spot, *, address: str, seed: int, latency: Latency, wear: Wear
    ) -> None:
        self.address, self.name, self.labels = address, spot.name, spot.labels
        self.persona, self.seed, self.wear, self.latency = spot.persona, seed, wear, latency
        own = f"{seed}/{address}"
        job = f"{seed}/{spot.labels.get('hall')}/{spot.labels.get('row')}"
        self.life = Life(spot.persona, seed=own, job=job, wear=wear)
        words = Words(seed=str(seed), address=address, name=spot.name, labels=spot.labels)
        self.roots = roots_of(spot.persona, seed=str(seed), name=spot.name)
        self.tree = SeatTree(drawing_of(spot.persona), words, wear.changes)

    def device(
        self, *, accounts: Mapping[str, str] | None = None, clock: Clock | None = None
    ) -> Device:
        """The living device: its tree, its life and its controller's manners."""
        device = Device(
            self.tree,
            name=self.name,
            host=self.address,
            labels=self.labels,
            options=self.options(accounts),
            live=self.life,
            live_paths=self.tree.paths_that_move,
            effects=compose(self.life, updates_of(self.persona.flash), manners_of()),
            trust=self.roots,
            clock=clock,
        )
        device.clock_offset_s = self.wear.clock_offset_s
        if self.tree.certificate:
            certificates.tell(device, self.tree.certificate)
        return device

    def options(self, accounts: Mapping[str, str] | None) -> Options:
        manners = {
            name: getattr(self.persona.options, name) for name in Options.__dataclass_fields__
        }
        manners |= {"latency": self.latency, "seed": self.seed, "to_the_letter": True}
        return Options(**manners | ({"accounts": accounts} if accounts else {}))


def spots_of(site: Site, nodes: int | None = None) -> Sequence[Spot]:
    """Every place of the site; with `nodes`, at most so many of kind node. Raises OperatorMust when
    machines overlap in a rack or are too many."""
    return _thinned(_bounded(site), nodes)


def build_hall(
    site: Site, nodes: int | None = None, *, only: Collection[int] | None = None
) -> list[Seat]:
    """Seat every machine of `spots_of`; with `only`, those of these numbers, all of which hang
    together among themselves alone (`hall_shares`).

    Raises OperatorMust when the network has too few addresses or machines overlap in a rack.
    """
    spots = spots_of(site, nodes)
    addresses = _addresses(site, len(spots))
    worn = imperfections(spots) if site.imperfections else {}
    seats = [
        Seat(
            spot,
            address=address,
            seed=site.seed,
            latency=site.latency,
            wear=worn.get(spot.name) or Wear(off_hosts=spot.persona.off),
        )
        for number, (spot, address) in enumerate(zip(spots, addresses, strict=True))
        if only is None or number in only
    ]
    _wire(seats)
    return seats


def _bounded(site: Site) -> list[Spot]:
    spots = list(islice(_spots(site), MOST_DEVICES + 1))
    if len(spots) > MOST_DEVICES:
        raise OperatorMust(
            f"it has more than {MOST_DEVICES:,} devices",
            operation="build hall",
            subject=site.name,
            code="HallSize",
            next_step="Lower the counts, or split the site into several files.",
        )
    return spots


def _thinned(spots: Sequence[Spot], nodes: int | None) -> Sequence[Spot]:
    """At most `nodes` nodes, left out evenly all over the hall so that every make remains."""
    total = sum(spot.persona.kind == "node" for spot in spots)
    if nodes is None or nodes >= total:
        return spots
    kept, number = [], 0
    for spot in spots:
        if spot.persona.kind == "node":
            number += 1
            if number * nodes // total == (number - 1) * nodes // total:
                continue
        kept.append(spot)
    return kept


def _addresses(site: Site, wanted: int) -> list[str]:
    """The first so many host addresses whose last byte is neither 0 nor 255."""
    first = int(site.network.network_address)
    found: list[str] = []
    for number in range(site.network.num_addresses):
        if len(found) == wanted:
            break
        if number % 256 not in (0, 255):
            found.append(_dotted(first + number))
    if len(found) < wanted:
        raise OperatorMust(
            f"{wanted} devices do not fit into {site.network}",
            operation="build hall",
            subject=site.name,
            code="NetworkTooSmall",
            next_step="Write a wider spec.network.cidr, such as 127.16.0.0/12.",
        )
    return found


def _dotted(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def _spots(site: Site) -> Iterator[Spot]:
    for hall in site.halls:
        racks = sum(run.count for row in hall.rows for run in row.racks)
        width, number = (2 if racks < 100 else 3), 0
        for row in hall.rows:
            head = {
                "site": site.name,
                "hall": hall.name,
                **hall.labels,
                "row": row.name,
                **row.labels,
            }
            column = 0
            for run in row.racks:
                for _ in range(run.count):
                    number, column = number + 1, column + 1
                    place = {
                        **head,
                        "rack": f"{hall.name}-r{number:0{width}}",
                        "column": str(column),
                        "x": f"{row.x + (column - 1) * RACK_PITCH_M:g}",
                        "y": f"{row.y:g}",
                    }
                    yield from _rack(site, site.templates[run.template], place)
            yield from _equipment(site, row.equip, f"{hall.name}-{row.name}", head)
        yield from _equipment(site, hall.equip, hall.name, {"site": site.name, "hall": hall.name})
    for found in site.devices:
        persona = site.personas[found.persona]
        yield Spot(found.name, persona, {"site": site.name, "role": persona.kind, **found.labels})


def _rack(site: Site, template: RackTemplate, place: Mapping[str, str]) -> Iterator[Spot]:
    counted: dict[str, int] = defaultdict(int)
    taken: dict[int, str] = {}
    for placement in template.place:
        persona = site.personas[placement.persona]
        for nth in range(placement.count):
            u = placement.u + nth * placement.step if placement.u else 0
            _check_room(template, persona, u, taken)
            name = _name(placement, persona, u, place["rack"], counted)
            labels = {**place, "role": persona.kind, **placement.labels}
            if u:
                labels |= {"u": str(u), "height": str(persona.height_u)}
            yield Spot(name, persona, labels)


def _check_room(template: RackTemplate, persona: Persona, u: int, taken: dict[int, str]) -> None:
    """Machines may not overlap; what sits inside another machine (a DPU) has no height."""
    if not u or not persona.height_u:
        return
    for unit in range(u, u + persona.height_u):
        if unit > template.height_u or unit in taken:
            what = f"U{unit} is taken by {taken[unit]}" if unit in taken else f"U{unit} is too high"
            raise OperatorMust(
                f"{persona.name} at U{u}: {what}",
                operation="build hall",
                subject=f"rack template {template.name}",
                code="RackOverlap",
                next_step="Correct u, count or step of the placement, or the rack's height.",
            )
        taken[unit] = persona.name


def _name(
    placement: Placement, persona: Persona, u: int, base: str, counted: dict[str, int]
) -> str:
    if not placement.name and u and persona.kind == "node":
        return f"{base}-u{u:02}"
    if not placement.name and u and persona.kind == "dpu":
        return f"{base}-u{u:02}-dpu"
    word = placement.name or WORDS.get(persona.kind, persona.kind)
    counted[word] += 1
    return f"{base}-{word}{counted[word]}"


def _equipment(
    site: Site, equip: Iterable[Placement], base: str, head: Mapping[str, str]
) -> Iterator[Spot]:
    counted: dict[str, int] = defaultdict(int)
    for placement in equip:
        persona = site.personas[placement.persona]
        for _ in range(placement.count):
            name = _name(placement, persona, 0, base, counted)
            yield Spot(name, persona, {**head, "role": persona.kind, **placement.labels})


def _wire(seats: Iterable[Seat]) -> None:
    """Connect what feeds and cools with what it feeds and cools."""
    racks: dict[str, list[Seat]] = defaultdict(list)
    rows: dict[tuple[str, str], list[Seat]] = defaultdict(list)
    for seat in seats:
        if "rack" in seat.labels:
            racks[seat.labels["rack"]].append(seat)
        rows[seat.labels.get("hall", ""), seat.labels.get("row", "")].append(seat)
    for members in racks.values():
        _feed(members)
        _cool(members, [s for s in members if s.persona.body.family == "cdu"])
    for members in rows.values():
        units = [s for s in members if s.persona.body.family == "cdu" and "rack" not in s.labels]
        _cool(members, units)


def _feed(rack: Iterable[Seat]) -> None:
    loads = [s for s in rack if s.persona.body.family in ("node", "switch") and s.persona.height_u]
    for family, corded in (("shelf", False), ("pdu", True)):
        sources = [s for s in rack if s.persona.body.family == family]
        fed = [s for s in loads if bool(s.persona.body.supplies) == corded]
        for source in sources:
            source.life.feeds = [seat.life for seat in fed]
            source.life.share = 1.0 / len(sources)
        for number, seat in enumerate(fed if corded and sources else (), start=1):
            cords = ",".join(f"{source.name}/{number}" for source in sources)
            seat.labels = {"outlets": cords, **seat.labels}


def _cool(members: Iterable[Seat], units: list[Seat]) -> None:
    fresh = [s.life for s in members if s.persona.body.liquid and s.life.coolant is None]
    if not fresh or not units:
        return
    for unit in units:
        unit.life.feeds, unit.life.share = fresh, 1.0 / len(units)
    for n, life in enumerate(fresh):
        life.coolant = units[n % len(units)].life
