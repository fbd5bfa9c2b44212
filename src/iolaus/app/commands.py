"""The commands that need the whole house, as the command line meets them.

Options and help stand here; the work is in `demo`, `house`, `alone` and `doctoring`. Data goes to
standard output, everything else to standard error; errors become exit codes in one place (north).
Each command imports what it needs when it runs: `iolaus get` must not wait for a database.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from iolaus import __version__
from iolaus.app import breaking, rehearsing
from iolaus.app.logs import configure_logs
from iolaus.app.signing_references import reference_sign
from iolaus.app.verifying import VERIFY_COMMANDS
from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.build import Commands, build_cli, run_cli
from iolaus.north.cli.discover import read_password
from iolaus.north.cli.render import print_json, say

if TYPE_CHECKING:
    from iolaus.app.alone import Approach
    from iolaus.wire.redfish.port import Credential

USER_ENV: Final = "IOLAUS_BMC_USER"

Target = Annotated[str, typer.Argument(metavar="TARGET", help="https://host[:port] or host.")]
User = Annotated[str | None, typer.Option("--user", envvar=USER_ENV, help="Account of the BMC.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Its password; else IOLAUS_BMC_PASSWORD, or a prompt."),
]
Named = Annotated[
    str | None, typer.Option("--credential", help="An entry of the credential store instead.")
]
Trust = Annotated[
    str, typer.Option("--trust", metavar="verify|first", help="`first` pins what it shows now.")
]
Pin = Annotated[
    str | None, typer.Option("--fingerprint", help="Its certificate's SHA-256, in hex.")
]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", help="Authorities to trust (PEM) beside the system's.")
]
AllowHttp = Annotated[
    bool, typer.Option("--allow-http", help="Accept http:// (sends the password open).")
]
State = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="Where state is kept.")]
Listen = Annotated[str, typer.Option("--listen", help="Address and port of the API and pages.")]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    configure_logs(verbose=bool(os.environ.get("IOLAUS_DEBUG")))
    sys.exit(
        run_cli(
            build_cli(
                Commands(
                    version=__version__,
                    up=up_command,
                    serve=serve_command,
                    edge=edge_command,
                    sim_replay=sim_replay,
                    sim_hall=sim_hall,
                    inspect=inspect_command,
                    capture=capture_command,
                    doctor=doctor_command,
                    sim={
                        "faults": breaking.sim_faults,
                        "explain": breaking.sim_explain,
                        "from-capture": rehearsing.sim_from_capture,
                    },
                    demo={
                        "break": breaking.demo_break,
                        "mend": breaking.demo_mend,
                        "faults": breaking.demo_faults,
                    },
                    verify=VERIFY_COMMANDS,
                    reference={"sign": reference_sign},
                    export={"site": rehearsing.export_site},
                )
            )
        )
    )


def up_command(
    nodes: Annotated[
        int | None, typer.Option("--nodes", min=1, max=10_240, help="Size of the simulated hall.")
    ] = None,
    site: Annotated[
        Path | None, typer.Option("--site", help="A site file to simulate (docs/site-file.md).")
    ] = None,
    listen: Listen = "127.0.0.1:8080",
    state: State = None,
    no_sim: Annotated[bool, typer.Option("--no-sim", help="Start without simulated devices.")] = (
        False
    ),
) -> None:
    """Start Iolaus with a simulated hall, for a look round. Ctrl-C stops all of it.

    Without --state nothing is kept. Examples: iolaus up; iolaus up --nodes 1000
    """
    import uvloop

    from iolaus.app.demo import UpOptions, up

    check_listen(listen, loopback=True)
    uvloop.run(
        up(UpOptions(nodes=nodes, site=site, listen=listen, state_dir=state, simulate=not no_sim))
    )


def serve_command(
    listen: Listen = "127.0.0.1:8080",
    state: State = None,
    db: Annotated[
        str | None, typer.Option("--db", help="SQLAlchemy URL of a database elsewhere.")
    ] = None,
    ca_file: CaFile = None,
    site: Annotated[str, typer.Option("--site-name", help="Name of the site, for metrics.")] = "",
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", metavar="PEM", help="Our own certificate, with its chain."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="PEM", help="The key of --tls-cert.")
    ] = None,
    allow_http: Annotated[
        bool,
        typer.Option(
            "--allow-http",
            help="Let tokens cross the network unencrypted (behind a proxy that speaks TLS).",
        ),
    ] = False,
    events_url: Annotated[
        str | None,
        typer.Option(
            "--events-url",
            metavar="URL",
            help="Where managed devices can push events to this server, as they see it.",
        ),
    ] = None,
) -> None:
    """Serve real endpoints: state is kept, and every request needs a token.

    The first start writes an operator's token to DIR/operator.token.
    Example: iolaus serve --state /var/lib/iolaus
    """
    import uvloop

    from iolaus.app.serving import ServeOptions, own_tls, serve
    from iolaus.store.state import default_state_dir

    tls = own_tls(tls_cert, tls_key)
    check_listen(listen, tls=tls is not None or allow_http)
    uvloop.run(
        serve(
            ServeOptions(
                listen=listen,
                state_dir=state or default_state_dir(),
                database=db,
                ca_file=str(ca_file) if ca_file else None,
                site=site,
                events_url=events_url,
                tls=tls,
            )
        )
    )


def edge_command(
    hosts: Annotated[
        Path, typer.Argument(metavar="HOSTS", help="A hosts file with a label rack on each host.")
    ],
    user: User = None,
    password_file: PasswordFile = None,
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            metavar="observe|advise|control",
            help="Only `control` writes to devices; then every host of the file is managed.",
        ),
    ] = "observe",
    state: State = None,
    ca_file: CaFile = None,
    allow_http: AllowHttp = False,
) -> None:
    """Run the edges of some racks: limits and reflexes, with no server, database or bus.

    Without a lease a rack stands at its floors. Ctrl-C ends it; caps and latches stay.
    Example: iolaus edge racks.yaml --user root --password-file pw --mode control
    """
    import uvloop

    from iolaus.app.edge import EdgeOptions, chosen, edge
    from iolaus.store.state import default_state_dir

    must_be_one_of(mode, "observe", "advise", "control", option="--mode")
    targets, power, leak = chosen(hosts, mode, allow_http=allow_http)
    options = EdgeOptions(
        targets=targets,
        credential=credential_of(user, password_file, None),
        state_dir=state or default_state_dir(),
        ca_file=str(ca_file) if ca_file else None,
        power=power,
        leak=leak,
    )
    uvloop.run(edge(options))


def inspect_command(
    target: Target,
    user: User = None,
    password_file: PasswordFile = None,
    credential: Named = None,
    trust: Trust = "verify",
    fingerprint: Pin = None,
    ca_file: CaFile = None,
    allow_http: AllowHttp = False,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="table|json", help="How to print it.")
    ] = "table",
) -> None:
    """Read one endpoint whole, without a server and without state. Reads only.

    Example: iolaus inspect https://10.3.0.7 --user root --trust first -o json
    """
    import uvloop

    from iolaus.app.alone import inspect
    from iolaus.app.inspection import print_inspection

    must_be_one_of(output, "table", "json", option="-o")
    approach = approach_of(
        target, user, password_file, credential, trust, fingerprint, ca_file, allow_http
    )
    found = uvloop.run(inspect(approach))
    print_json(found) if output == "json" else print_inspection(found)


def capture_command(
    target: Target,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    user: User = None,
    password_file: PasswordFile = None,
    credential: Named = None,
    trust: Trust = "verify",
    fingerprint: Pin = None,
    ca_file: CaFile = None,
    allow_http: AllowHttp = False,
) -> None:
    """Record one endpoint in the DMTF mockup layout, its secrets taken out. Reads only.

    Play it back with: iolaus sim replay DIR
    """
    import uvloop

    from iolaus.app.alone import record

    approach = approach_of(
        target, user, password_file, credential, trust, fingerprint, ca_file, allow_http
    )

    def progress(count: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{count} resources")

    done = uvloop.run(record(approach, folder, progress=progress))
    say(
        f"{done.resources} resources in {folder}, {done.secrets_removed} secrets removed, "
        f"{len(done.gaps)} unread"
    )
    if done.gaps:
        raise typer.Exit(1)


def doctor_command(
    state: State = None,
    url: Annotated[str | None, typer.Option("--url", envvar="IOLAUS_URL")] = None,
    output: Annotated[str, typer.Option("-o", "--output", metavar="table|json")] = "table",
) -> None:
    """Check this machine, the state and the server; say what to do about what is wrong.

    Exit code 1 if anything is wrong.
    """
    import msgspec

    from iolaus.app.doctoring import examine, told
    from iolaus.store.state import default_state_dir

    must_be_one_of(output, "table", "json", option="-o")
    findings = examine(state or default_state_dir(), url=url)
    if output == "json":
        print_json({"kind": "Doctor", "items": msgspec.to_builtins(findings)})
    else:
        sys.stdout.write(told(findings))
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)


def sim_hall(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Site file; the default hall if none.")
    ] = None,
    nodes: Annotated[int | None, typer.Option("--nodes", min=1, max=10_240)] = None,
    password_file: Annotated[Path | None, typer.Option("--password-file")] = None,
    port: Annotated[int, typer.Option("--port", help="0: one that is free.")] = 8443,
    http: Annotated[bool, typer.Option("--http", help="Plain HTTP, no TLS.")] = False,
    tls_dir: Annotated[Path | None, typer.Option("--tls-dir", help="Keep certificates.")] = None,
    hosts_out: Annotated[
        Path | None, typer.Option("--hosts-out", help="Write a hosts file for discover -f.")
    ] = None,
    faults: Annotated[Path | None, typer.Option("--faults", help="Fault rules (YAML).")] = None,
    script: Annotated[
        Path | None, typer.Option("--script", help="Timed faults (YAML; docs/simulator.md).")
    ] = None,
    physics: Annotated[
        bool, typer.Option(help="Step the hall's power, heat and water; else each device alone.")
    ] = True,
    building: Annotated[
        bool, typer.Option("--building", help="Modbus, MQTT, grid and SNMP beside the devices.")
    ] = False,
    console: Annotated[
        bool, typer.Option("--console", help="Serial consoles of hosts over SSH.")
    ] = False,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Time stands until the oracle advances it.")
    ] = False,
    speed: Annotated[
        float | None, typer.Option("--speed", help="Virtual time, so many times as fast as real.")
    ] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Simulate a hall: one 127.x.y.z address a device, HTTPS, sessions, power, heat.

    Prints one JSON line when all devices listen. Account root, password from --password-file,
    IOLAUS_SIM_PASSWORD, or iolaus-sim.
    """
    from iolaus.sim.command import ServeOptions as SimServeOptions
    from iolaus.sim.hall_command import HallOptions, serve_hall

    options = HallOptions(
        nodes=nodes,
        password_file=password_file,
        physics=physics,
        building=building,
        console=console,
        virtual=virtual,
        speed=speed,
    )
    listening = SimServeOptions(
        port=port,
        tls=not http,
        tls_dir=tls_dir,
        hosts_out=hosts_out,
        faults=faults,
        script=script,
        with_parent=with_parent,
    )
    raise typer.Exit(serve_hall(file, options=options, serve=listening))


def sim_replay(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders or tar.xz.")],
    user: Annotated[str, typer.Option("--user")] = "root",
    password_file: Annotated[Path | None, typer.Option("--password-file")] = None,
    port: Annotated[int, typer.Option("--port", help="0: one that is free.")] = 8443,
    subnet: Annotated[str, typer.Option("--subnet", help="First address.")] = "127.20.0.0",
    http: Annotated[bool, typer.Option("--http", help="Plain HTTP, no TLS.")] = False,
    tls_dir: Annotated[Path | None, typer.Option("--tls-dir", help="Keep certificates.")] = None,
    hosts_out: Annotated[
        Path | None, typer.Option("--hosts-out", help="Write a hosts file for discover -f.")
    ] = None,
    faults: Annotated[Path | None, typer.Option("--faults", help="Fault rules (YAML).")] = None,
    no_sessions: Annotated[bool, typer.Option("--no-sessions", help="Basic only.")] = False,
    session_limit: Annotated[int, typer.Option("--session-limit", min=1)] = 8,
    page_size: Annotated[int, typer.Option("--page-size", help="0: no paging.")] = 0,
    slots: Annotated[int, typer.Option("--slots", help="Requests at a time; 0: any.")] = 0,
    latency_ms: Annotated[float, typer.Option("--latency-ms", min=0)] = 0.0,
    copies: Annotated[int, typer.Option("--copies", min=1, help="Devices per capture.")] = 1,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Serve recorded trees as live devices, one address each.

    Example: iolaus sim replay captures/ --hosts-out hosts.yaml
    """
    from iolaus.sim.command import ReplayOptions, serve_replay
    from iolaus.sim.command import ServeOptions as SimServeOptions
    from iolaus.sim.device import Latency

    replay = ReplayOptions(
        user=user,
        password_file=password_file,
        sessions=not no_sessions,
        session_limit=session_limit,
        page_size=page_size,
        slots=slots,
        latency=Latency(median_s=latency_ms / 1000),
        copies=copies,
    )
    listening = SimServeOptions(
        subnet=subnet,
        port=port,
        tls=not http,
        tls_dir=tls_dir,
        hosts_out=hosts_out,
        faults=faults,
        with_parent=with_parent,
    )
    raise typer.Exit(serve_replay(paths, replay=replay, serve=listening))


def approach_of(
    target: str,
    user: str | None,
    password_file: Path | None,
    credential: str | None,
    trust: str,
    fingerprint: str | None,
    ca_file: Path | None,
    allow_http: bool,
) -> Approach:
    """How the options say to reach a target. Raises `OperatorMust`."""
    from iolaus.app.alone import Approach

    must_be_one_of(trust, "verify", "first", option="--trust")
    return Approach(
        target=target,
        credential=credential_of(user, password_file, credential),
        trust_first=trust == "first",
        fingerprint=fingerprint,
        ca_file=str(ca_file) if ca_file else None,
        allow_http=allow_http,
    )


def credential_of(
    user: str | None, password_file: Path | None, name: str | None
) -> Credential | None:
    """From the options, or from the credential store; None asks the device as nobody."""
    from iolaus.store.secrets import Secrets
    from iolaus.store.state import default_state_dir
    from iolaus.wire.redfish.port import Credential

    if user is not None:
        return Credential(user=user, password=read_password(user, password_file))
    if password_file is not None or (name is None and os.environ.get("IOLAUS_BMC_PASSWORD")):
        raise OperatorMust(
            "a password is given, but not whose it is",
            operation="read credential",
            subject="--user",
            code="NoUser",
            next_step=f"add --user NAME, or set {USER_ENV}.",
        )
    if name is None:
        return None
    login = Secrets(default_state_dir() / "secrets").get(name)
    if login is None:
        raise OperatorMust(
            "the credential store has no such entry",
            operation="read credential",
            subject=name,
            code="NoCredential",
            next_step="give --user and --password-file; discover stores what it is given.",
        )
    return Credential(user=login.user, password=login.password)


def must_be_one_of(value: str, *choices: str, option: str) -> None:
    if value not in choices:
        raise OperatorMust(
            f"takes {' or '.join(choices)}, not {value!r}",
            operation="read option",
            subject=option,
            code="BadOption",
            next_step="correct it; --help shows what each option takes.",
        )


def check_listen(listen: str, *, loopback: bool = False, tls: bool = False) -> None:
    """`host:port`; a demonstration listens on this machine alone, and so does, without `tls`,
    everything that asks for tokens. Raises `OperatorMust`."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65_536:
        raise OperatorMust(
            "is not HOST:PORT",
            operation="listen on",
            subject=listen,
            next_step="write it as 127.0.0.1:8080.",
        )
    within = host.startswith("127.") or host in ("localhost", "[::1]")
    if not within and not loopback and not tls:
        raise OperatorMust(
            "tokens would cross the network unencrypted",
            operation="listen on",
            subject=listen,
            code="TlsNeeded",
            next_step="give --tls-cert and --tls-key, or --allow-http behind a proxy with TLS.",
        )
    if loopback and not within:
        raise OperatorMust(
            "a demonstration has no tokens, so it listens on loopback only",
            operation="listen on",
            subject=listen,
            next_step="use 127.0.0.1, or `iolaus serve`, which asks for tokens.",
        )
