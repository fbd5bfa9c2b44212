"""The site file: a hall as a person writes it, in a few lines for thousands of machines.

Racks are templates repeated along rows; what stands in a rack is a list of placements, each with
a persona, a height unit and a count. Reading is strict: an unknown key, a wrong type or a persona
that does not exist is an error that says the line and the column and what was probably meant. The
result is plain frozen values; `hall.py` seats the machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.device import Latency
from iolaus.sim.hall_yaml import Entry, parse_yaml
from iolaus.sim.personas import personas
from iolaus.sim.personas.persona import Persona
from iolaus.sim.rehearsal.recorded import recorded
from iolaus.sim.replay import read_resources

KINDS: Final = ("node", "dpu", "switch", "powershelf", "pdu", "cdu", "leak", "chassis")
SERIALS: Final = ("own", "captured")
WORKS: Final = ("training", "serving")
LOOPBACK: Final = IPv4Network("127.16.0.0/12")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """`count` machines of a persona from height unit `u` upwards, `step` units apart (0: beside
    the rack's units, as strips and manifolds are). `name` is the word for it in device names;
    nodes go by their unit instead."""

    persona: str
    u: int = 0
    count: int = 1
    step: int = 1
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RackTemplate:
    name: str
    height_u: int
    place: Sequence[Placement]


@dataclass(frozen=True, slots=True, kw_only=True)
class RackRun:
    """`count` racks of a template, side by side."""

    template: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of racks, and equipment that serves all of it (`equip`: coolant units ...). `work` is
    what its GPUs do together: "training" in step, or "serving" what arrives."""

    name: str
    racks: Sequence[RackRun]
    work: str = "training"
    equip: Sequence[Placement] = ()
    x: float = 0.0
    y: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HallPlan:
    name: str
    rows: Sequence[Row]
    equip: Sequence[Placement] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who may log in to every device. `password_file` is read when the hall is started."""

    user: str = "root"
    password_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One machine where it was found: its name and its labels are its own, whatever they are."""

    name: str
    persona: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`devices` stand beside the halls' racks; `personas` are all that may be named."""

    name: str
    halls: Sequence[HallPlan]
    templates: Mapping[str, RackTemplate]
    devices: Sequence[Found] = ()
    personas: Mapping[str, Persona] = field(default_factory=personas)
    seed: int = 0
    network: IPv4Network = LOOPBACK
    latency: Latency = field(default_factory=Latency)
    account: Account = field(default_factory=Account)
    imperfections: bool = False
    arrivals: Path | None = None

    @property
    def works(self) -> Mapping[tuple[str, str], str]:
        """(hall, row) -> what it works on."""
        return {(hall.name, row.name): row.work for hall in self.halls for row in hall.rows}


def load_site(path: Path) -> Site:
    """Raises OperatorMust with line, column and the next step."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorMust(
            str(error),
            operation="read site file",
            subject=str(path),
            code="SiteUnreadable",
            next_step="Give the path of a readable UTF-8 YAML file; see docs/site-file.md.",
        ) from error
    return parse_site(text, source=str(path), folder=path.parent)


def packaged_site(name: str) -> Site:
    """A site that comes with the product: a file of `sim/sites`."""
    text = files("iolaus.sim").joinpath(f"sites/{name}.yaml").read_text(encoding="utf-8")
    return parse_site(text, source=f"{name}.yaml")


def parse_site(text: str, *, source: str, folder: Path | None = None) -> Site:
    """`folder` is where captures with a relative path are looked for."""
    top = parse_yaml(text, source=source)
    top.only("apiVersion", "kind", "metadata", "spec")
    top.one_of("apiVersion", ("iolaus.dev/v1",))
    top.one_of("kind", ("Site",))
    head, spec = top.block("metadata"), top.block("spec")
    head.only("name")
    spec.only("seed", "network", "latency", "credentials", "demo", "racks", "halls", "captures",
              "devices", "arrivals")  # fmt: skip
    known = {**personas(), **_captures(spec.block("captures", optional=True), folder or Path())}
    racks = spec.block("racks", optional="devices" in spec.names)
    templates = {name: _template(name, block, known) for name, block in racks.named_blocks()}
    demo = spec.block("demo", optional=True)
    demo.only("imperfections")
    halls = spec.blocks("halls", optional="devices" in spec.names)
    site = Site(
        name=head.text("name"),
        halls=tuple(_hall(block, templates, known) for block in halls),
        templates=templates,
        devices=tuple(_found(block, known) for block in spec.blocks("devices", optional=True)),
        personas=known,
        seed=spec.number("seed", 0),
        network=_network(spec.block("network", optional=True)),
        latency=_latency(spec.block("latency", optional=True)),
        account=_account(spec.block("credentials", optional=True)),
        imperfections=demo.flag("imperfections", default=False),
        arrivals=_arrivals(spec, folder or Path()),
    )
    _distinct(spec, [hall.name for hall in site.halls])
    return site


def _captures(block: Entry, folder: Path) -> dict[str, Persona]:
    """Recorded machines by the name they are placed by."""
    found: dict[str, Persona] = {}
    for name, inner in block.named_blocks():
        inner.only("path", "kind", "height", "serials")
        path = folder / inner.text("path")
        if not path.exists():
            raise inner.wrong(f"there is no {path}", "Correct the path.", inner.at("path"))
        serials = inner.one_of("serials", SERIALS) if "serials" in inner.names else "own"
        kind = inner.one_of("kind", KINDS) if "kind" in inner.names else ""
        found[name] = recorded(
            read_resources(path),
            name=name,
            kind=kind,
            height_u=inner.number("height", 1, low=0),
            keep=serials == "captured",
        )
    return found


def _arrivals(spec: Entry, folder: Path) -> Path | None:
    """The trace of requests that serving rows answer."""
    if "arrivals" not in spec.names:
        return None
    path = folder / spec.text("arrivals")
    if not path.exists():
        raise spec.wrong(f"there is no {path}", "Correct the path.", spec.at("arrivals"))
    return path


def _found(block: Entry, known: Mapping[str, Persona]) -> Found:
    block.only("name", "persona", "labels")
    persona = block.one_of("persona", tuple(known))
    return Found(name=block.text("name"), persona=persona, labels=block.labels("labels"))


def _distinct(spec: Entry, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise spec.wrong(f"two halls are named {name!r}", "Give each hall its own name.")


def _network(block: Entry) -> IPv4Network:
    block.only("cidr")
    text = block.text("cidr", str(LOOPBACK))
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise block.wrong(f"cidr: {error}", "Write it as 127.20.0.0/16.") from error
    if not network.is_loopback:
        raise block.wrong(
            f"cidr: {network} is not within 127.0.0.0/8",
            "Simulated devices listen on the loopback network only; use 127.x.y.z/n.",
        )
    return network


def _latency(block: Entry) -> Latency:
    block.only("median_ms", "sigma", "floor_ms", "factors")
    factors = block.block("factors", optional=True)
    return Latency(
        median_s=block.decimal("median_ms", 0.0) / 1000.0,
        sigma=block.decimal("sigma", 0.0),
        floor_s=block.decimal("floor_ms", 0.0) / 1000.0,
        factors=tuple((glob, factors.decimal(glob, 1.0)) for glob in factors.names),
    )


def _account(block: Entry) -> Account:
    block.only("user", "passwordFile")
    return Account(
        user=block.text("user", "root"), password_file=block.text_or_none("passwordFile")
    )


def _template(name: str, block: Entry, known: Mapping[str, Persona]) -> RackTemplate:
    block.only("height", "place")
    return RackTemplate(
        name=name,
        height_u=block.number("height", 48),
        place=tuple(_placement(entry, known) for entry in block.blocks("place")),
    )


def _placement(block: Entry, known: Mapping[str, Persona]) -> Placement:
    block.only("persona", "u", "count", "step", "name", "labels")
    persona = block.one_of("persona", tuple(known))
    return Placement(
        persona=persona,
        u=block.number("u", 0, low=0),
        count=block.number("count", 1, low=0),
        step=block.number("step", known[persona].height_u, low=0),
        name=block.text("name", ""),
        labels=block.labels("labels"),
    )


def _hall(
    block: Entry, templates: Mapping[str, RackTemplate], known: Mapping[str, Persona]
) -> HallPlan:
    block.only("name", "rows", "equip", "labels")
    return HallPlan(
        name=block.text("name"),
        rows=tuple(_row(entry, templates, known) for entry in block.blocks("rows")),
        equip=tuple(_placement(entry, known) for entry in block.blocks("equip", optional=True)),
        labels=block.labels("labels"),
    )


def _row(block: Entry, templates: Mapping[str, RackTemplate], known: Mapping[str, Persona]) -> Row:
    block.only("name", "racks", "equip", "work", "x", "y", "labels")
    return Row(
        name=block.text("name"),
        racks=tuple(_run(entry, templates) for entry in block.blocks("racks")),
        equip=tuple(_placement(entry, known) for entry in block.blocks("equip", optional=True)),
        work=block.one_of("work", WORKS) if "work" in block.names else "training",
        x=block.decimal("x", 0.0),
        y=block.decimal("y", 0.0),
        labels=block.labels("labels"),
    )


def _run(block: Entry, templates: Mapping[str, RackTemplate]) -> RackRun:
    block.only("template", "count")
    template = block.one_of("template", tuple(templates))
    return RackRun(template=template, count=block.number("count", 1, low=0))
