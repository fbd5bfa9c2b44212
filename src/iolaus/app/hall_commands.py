"""The commands of a hall that several processes hold: a core, an edge."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from iolaus.app.options import (
    DB_PASSWORD,
    AllowHttp,
    CaFile,
    Listen,
    OpenTokens,
    PasswordFile,
    PollEvery,
    SiteName,
    State,
    TlsCert,
    TlsKey,
    User,
    check_listen,
    credential_of,
    database_of,
    must_be_one_of,
    own_tls,
    periods_of,
)
from iolaus.kernel.errors import OperatorMust

if TYPE_CHECKING:
    from iolaus.bus.nats import Servers

BUS_PASSWORD: Final = "IOLAUS_BUS_PASSWORD"  # noqa: S105  the name of a variable
ALONE_S: Final = 1.0
"""From poll to poll of an edge that has no server: it is all that watches its racks."""
KEY_STEP: Final = "give every process of the hall the same IOLAUS_STATE_KEY_FILE."

Bus = Annotated[
    str | None,
    typer.Option(
        "--bus", metavar="URL", help="nats://HOST:4222, or tls://; several with commas between."
    ),
]
BusUser = Annotated[
    str | None,
    typer.Option("--bus-user", help=f"Our role at the bus; its password is in {BUS_PASSWORD}."),
]
BusCa = Annotated[
    Path | None, typer.Option("--bus-ca", metavar="PEM", help="Authority of the bus's servers.")
]
BusCert = Annotated[
    Path | None, typer.Option("--bus-cert", metavar="PEM", help="Our certificate for the bus.")
]
BusKey = Annotated[
    Path | None, typer.Option("--bus-key", metavar="PEM", help="The key of --bus-cert.")
]
Name = Annotated[
    str | None, typer.Option("--name", help="Of this process, unlike any other's; else the host's.")
]


def core_command(
    db: Annotated[
        str | None,
        typer.Option(
            "--db",
            help=f"postgresql://USER@HOST/NAME, shared by all cores; its password is in "
            f"{DB_PASSWORD}.",
        ),
    ] = None,
    bus: Bus = None,
    listen: Listen = "127.0.0.1:8080",
    state: State = None,
    name: Name = None,
    advertise: Annotated[
        str | None,
        typer.Option("--advertise", metavar="HOST:PORT", help="Where other cores reach this one."),
    ] = None,
    bus_user: BusUser = None,
    bus_ca: BusCa = None,
    bus_cert: BusCert = None,
    bus_key: BusKey = None,
    ca_file: CaFile = None,
    site: SiteName = "",
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    allow_http: OpenTokens = False,
    poll_every: PollEvery = None,
) -> None:
    """Answer for a hall that edges read: one of several cores leads, the others pass on to it.

    Example: iolaus core --db postgresql://iolaus@db/iolaus --bus nats://a,nats://b,nats://c
    """
    if db is None:
        raise _missing("--db", "a core keeps its state in PostgreSQL")
    tls = own_tls(tls_cert, tls_key)
    check_listen(listen, tls=tls is not None or allow_http)
    import uvloop

    from iolaus.app.cluster.core import CoreOptions, core
    from iolaus.store.state import default_state_dir

    named = name or socket.gethostname()
    options = CoreOptions(
        database=database_of(db),
        bus=servers_of(bus, bus_user, bus_ca, bus_cert, bus_key, name=named),
        listen=listen,
        state_dir=state or default_state_dir(),
        name=named,
        advertise=advertise,
        site=site,
        ca_file=str(ca_file) if ca_file else None,
        tls=tls,
        periods=periods_of(poll_every),
    )
    uvloop.run(core(options))


def edge_command(
    hosts: Annotated[
        Path | None,
        typer.Argument(metavar="[HOSTS]", help="A hosts file with a label rack on each host."),
    ] = None,
    site: Annotated[
        str | None,
        typer.Option("--site", metavar="NAME", help="Own devices of this site, with --bus."),
    ] = None,
    bus: Bus = None,
    name: Name = None,
    bus_user: BusUser = None,
    bus_ca: BusCa = None,
    bus_cert: BusCert = None,
    bus_key: BusKey = None,
    user: User = None,
    password_file: PasswordFile = None,
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            metavar="observe|advise|control",
            help="With HOSTS: only `control` writes to devices, and to every host of the file.",
        ),
    ] = "observe",
    state: State = None,
    ca_file: CaFile = None,
    allow_http: AllowHttp = False,
    poll_every: PollEvery = None,
) -> None:
    """Run the edges of some racks: limits and reflexes, alone or for a hall of many processes.

    With HOSTS it needs no server, database or bus; without a lease a rack stands at its floors.
    With --bus it owns devices of a site, shared with other edges (docs/cluster.md).
    Examples: iolaus edge racks.yaml --user root --password-file pw --mode control;
    iolaus edge --site berlin --bus nats://a,nats://b,nats://c
    """
    import uvloop

    from iolaus.store.state import default_state_dir

    state_dir, ca = state or default_state_dir(), str(ca_file) if ca_file else None
    if bus is not None:
        if hosts is not None:
            raise _missing("HOSTS", "with --bus the cores say which hosts there are")
        named = name or socket.gethostname()
        servers = servers_of(bus, bus_user, bus_ca, bus_cert, bus_key, name=named)
        _shared_edge(servers, state_dir, named, site, ca, poll_every)
        return

    from iolaus.app.edge import EdgeOptions, chosen, edge

    must_be_one_of(mode, "observe", "advise", "control", option="--mode")
    if hosts is None:
        raise _missing("HOSTS", "without --bus an edge needs a hosts file")
    targets, power, leak = chosen(hosts, mode, allow_http=allow_http)
    options = EdgeOptions(
        targets=targets,
        credential=credential_of(user, password_file, None),
        state_dir=state_dir,
        ca_file=ca,
        power=power,
        leak=leak,
        period_s=poll_every or ALONE_S,
    )
    uvloop.run(edge(options))


def _shared_edge(
    servers: Servers,
    state_dir: Path,
    name: str,
    site: str | None,
    ca_file: str | None,
    poll_every: float | None,
) -> None:
    import uvloop

    from iolaus.app.cluster.edge import EdgeOptions, edge
    from iolaus.model.shard import SITE

    options = EdgeOptions(
        bus=servers,
        state_dir=state_dir,
        name=name,
        site=site or SITE,
        ca_file=ca_file,
        periods=periods_of(poll_every),
    )
    uvloop.run(edge(options))


def servers_of(
    bus: str | None,
    user: str | None,
    ca_file: Path | None,
    certificate: Path | None,
    key: Path | None,
    *,
    name: str,
) -> Servers:
    """Raises `OperatorMust` for what is no bus."""
    from iolaus.bus.nats import Servers, parse_servers

    if bus is None:
        raise _missing("--bus", "cores and edges meet on a bus")
    return Servers(
        urls=parse_servers(bus),
        user=user,
        password=os.environ.get(BUS_PASSWORD) if user else None,
        ca_file=ca_file,
        certificate=certificate,
        key=key,
        name=name,
    )


def _missing(option: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read option",
        subject=option,
        code="BadOption",
        next_step="see docs/cluster.md; one process alone is `iolaus serve`.",
    )
