"""The commands that need the whole house, as the command line meets them.

Options and help stand here; the work is in `demo`, `house`, `alone` and `doctoring`. Data goes to
standard output, everything else to standard error; errors become exit codes in one place (north).
Each command imports what it needs when it runs, after what its options tell by themselves:
`iolaus get` must not wait for a database, nor whoever mistyped for a server.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from iolaus import __version__
from iolaus.app import breaking, rehearsing
from iolaus.app.hall_commands import core_command, edge_command
from iolaus.app.logs import configure_logs
from iolaus.app.options import (
    AllowHttp,
    CaFile,
    Database,
    Listen,
    Named,
    OpenTokens,
    PasswordFile,
    Pin,
    PollEvery,
    SiteName,
    State,
    Target,
    TlsCert,
    TlsKey,
    Trust,
    User,
    approach_of,
    check_listen,
    database_of,
    must_be_one_of,
    own_tls,
    periods_of,
)
from iolaus.app.signing_references import reference_sign
from iolaus.app.verifying import VERIFY_COMMANDS
from iolaus.north.cli.build import Commands, build_cli, run_cli
from iolaus.north.cli.render import print_json, say


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
                    core=core_command,
                    sim_replay=sim_replay,
                    sim_hall=sim_hall,
                    inspect=inspect_command,
                    capture=capture_command,
                    doctor=doctor_command,
                    backup=backup_command,
                    restore=restore_command,
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
                ),
                sys.argv[1:],
            )
        )
    )


Processes = Annotated[
    int,
    typer.Option(
        "--processes",
        min=0,
        max=256,
        help="Share the devices out, with --no-physics. 0: as many as there are CPUs.",
    ),
]


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
    check_listen(listen, loopback=True)
    import uvloop

    from iolaus.app.demo import UpOptions, up

    uvloop.run(
        up(UpOptions(nodes=nodes, site=site, listen=listen, state_dir=state, simulate=not no_sim))
    )


def serve_command(
    listen: Listen = "127.0.0.1:8080",
    state: State = None,
    db: Database = None,
    ca_file: CaFile = None,
    site: SiteName = "",
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    allow_http: OpenTokens = False,
    poll_every: PollEvery = None,
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
    tls = own_tls(tls_cert, tls_key)
    check_listen(listen, tls=tls is not None or allow_http)
    import uvloop

    from iolaus.app.serving import ServeOptions, serve
    from iolaus.store.state import default_state_dir

    uvloop.run(
        serve(
            ServeOptions(
                listen=listen,
                state_dir=state or default_state_dir(),
                database=database_of(db) if db else None,
                ca_file=str(ca_file) if ca_file else None,
                site=site,
                events_url=events_url,
                tls=tls,
                periods=periods_of(poll_every),
            )
        )
    )


def backup_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, e.g. hall.iolaus.")],
    state: State = None,
    db: Database = None,
) -> None:
    """Keep all that a server must not lose in one file, while it runs or not.

    History of telemetry is not in it, and neither is the key that it opens with: keep that apart.
    Example: iolaus backup hall-$(date +%F).iolaus --state /var/lib/iolaus
    """
    from iolaus.app.backup import KEY, back_up
    from iolaus.store.secrets import KEY_VARIABLE
    from iolaus.store.state import default_state_dir

    directory = state or default_state_dir()
    manifest = back_up(directory, file, database=database_of(db) if db else None)
    rows, size = sum(manifest.rows.values()), file.stat().st_size / 1e6
    say(f"{file}: {rows:,} rows and {len(manifest.files)} files in {size:,.1f} MB")
    key = os.environ.get(KEY_VARIABLE) or directory / KEY
    say(f"it opens with {key} only: keep a copy of that somewhere else")


def restore_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `iolaus backup` wrote.")],
    state: State = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="The key of that state; else IOLAUS_STATE_KEY_FILE."),
    ] = None,
    db: Database = None,
    go_on: Annotated[
        bool,
        typer.Option("--go-on", help="Leave roll-outs running: the other server is gone for good."),
    ] = False,
) -> None:
    """Put a back-up into a new state directory, and a new database where one is named.

    Roll-outs that ran stand paused: resume them when the other server is certainly gone.
    Example: iolaus restore hall.iolaus --key hall.key --state /var/lib/iolaus
    """
    from iolaus.app.backup import restore
    from iolaus.store.state import default_state_dir

    directory = state or default_state_dir()
    database = database_of(db) if db else None
    done = restore(file, directory, key=key, database=database, go_on=go_on)
    rows = sum(done.manifest.rows.values())
    say(f"{directory}: {rows:,} rows and {len(done.manifest.files)} files are back")
    for plan in done.paused:
        say(f"paused: iolaus rollout resume {plan}")


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
    processes: Processes = 1,
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
        processes=processes,
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
