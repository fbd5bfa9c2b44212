"""Putting the commands together, and the one place where an error becomes an exit code."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import structlog
import typer
from typer.exceptions import TyperException

from iolaus.kernel.errors import IolausError
from iolaus.north.cli import advisories as advising
from iolaus.north.cli import (
    alarms,
    asking,
    attest,
    authorities,
    consoles,
    credentials,
    desired,
    drains,
    energy,
    look,
    manage,
    onboarding,
    packs,
    plans,
    power,
    quarantine,
    recoveries,
    references,
    targets,
    tokens,
)
from iolaus.north.cli import audit as auditing
from iolaus.north.cli import discover as finding
from iolaus.north.cli.cells import text
from iolaus.north.cli.consoles import ConsoleByName
from iolaus.north.cli.render import print_error, say
from iolaus.north.cli.sections import Sectioned, Told
from iolaus.north.cli.several import PacksByName, SeveralValues

EPILOG = (
    "Kinds and selectors: docs/cli.md. Exit codes: 0 ok, 1 differences or partial, 2 usage, "
    "3 refused, 4 unreachable, 5 not verified."
)
INTERRUPTED: Final = 130
STDOUT: Final = 1


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Typer commands of what needs the whole house; None: this build has it not. Each is a
    function with Typer annotations and a docstring. `sim`, `demo`, `export` and `verify` are
    further commands of these groups by name."""

    version: str
    up: Callable[..., Any] | None = None
    serve: Callable[..., Any] | None = None
    edge: Callable[..., Any] | None = None
    core: Callable[..., Any] | None = None
    sim_replay: Callable[..., Any] | None = None
    sim_hall: Callable[..., Any] | None = None
    inspect: Callable[..., Any] | None = None
    capture: Callable[..., Any] | None = None
    doctor: Callable[..., Any] | None = None
    backup: Callable[..., Any] | None = None
    restore: Callable[..., Any] | None = None
    sim: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    demo: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    export: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    verify: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    reference: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


GROUPS: Final[Mapping[str, str]] = {
    "sim": "Simulated management controllers, for trying and testing.",
    "demo": "Faults of the simulated hall of a running `iolaus up`.",
    "export": "What was discovered, as files.",
    "verify": "Judge evidence and documents from files: no server, no state, no network.",
    "alarm": "Alarms answered: acknowledged, shelved, reset.",
    "console": "A host's serial line in this terminal, what it said, and who may watch it.",
    "latch": "What reflexes latched, released by a person.",
    "token": "Who may speak to the server, as what, and for which groups.",
    "credential": "Logins of endpoints: whose, how old, and what they may fall back to.",
    "power": "Power of hosts by plan: on, off, cycled, restarted, interrupted.",
    "boot": "What hosts start from next, by plan.",
    "ca": "The authorities that sign certificates of controllers.",
    "reference": "What should run: manifests of makers, imported with their signers.",
    "rollout": "Plans that run: seen, paused, resumed, aborted, undone.",
    "onboard": "Machines on their way to be ours: approved, rejected, gone on with.",
    "hook": "What other servers call when they see something.",
    "advisory": "Advisories of makers and databases: imported, answered, removed.",
    "audit": "Who did what: read, kept elsewhere, and checked.",
}


BY_FIRST_WORD: Final[Mapping[str, type[Told]]] = {
    "verify": PacksByName,
    "console": ConsoleByName,
}
"""Groups in which a first word that is no command stands for one."""
ROUTES_HELP: Final = "Who is told of alarms: seen, tested, checked."
TARGETS_HELP: Final = "Load targets for the whole site that a person sets for a while."
CAPS_HELP: Final = "Caps on nodes and racks that a person sets for a while."


def build_cli(commands: Commands) -> typer.Typer:
    app = typer.Typer(
        name="iolaus",
        help="The open, out-of-band control plane for AI data halls.",
        epilog=EPILOG,
        cls=Sectioned,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in ("up", "serve", "core", "edge"):
        _add(app, name, getattr(commands, name))
    for name in ("get", "describe", "explain", "events", "watch", "top", "summary"):
        app.command(name)(getattr(look, name))
    for name in ("apply", "diff", "validate", "sync", "remove"):
        app.command(name)(getattr(desired, name))
    app.command("manage")(manage.manage)
    app.command("refresh")(manage.refresh)
    app.command("drain")(drains.drain)
    app.command("undrain")(drains.undrain)
    app.command("recover")(recoveries.recover)
    app.command("bundle")(recoveries.bundle)
    app.command("isolate")(power.isolate)
    app.command("attest")(attest.attest)
    app.command("quarantine")(quarantine.quarantine)
    app.command("plan")(plans.plan)
    app.command("rotate")(credentials.rotate)
    app.command("approve")(plans.approve)
    app.command("discover")(finding.discover)
    app.command("forget")(finding.forget)
    app.command("handover")(onboarding.handover)
    app.command("retire")(onboarding.retire)
    app.command("recommission")(onboarding.recommission)
    for name in ("inspect", "capture", "doctor", "backup", "restore"):
        _add(app, name, getattr(commands, name))
    _add_groups(app, commands)
    app.callback()(_root(commands.version))
    return app


def _add(app: typer.Typer, name: str, function: Callable[..., Any] | None) -> None:
    if function is not None:
        app.command(name)(function)


def _add_groups(app: typer.Typer, commands: Commands) -> None:
    """Commands of two words, each group only where this build has any of it."""
    sim = {"replay": commands.sim_replay, "hall": commands.sim_hall, **commands.sim}
    export: dict[str, Callable[..., Any]] = {
        "baseline": desired.export_baseline,
        "power": energy.export_power,
        "fbom": advising.export_fbom,
        "evidence": packs.export_evidence,
        "evidence-key": packs.export_key,
        "expected": onboarding.export_expected,
        **commands.export,
    }
    groups: dict[str, Mapping[str, Callable[..., Any] | None]] = {
        "power": asking.POWER_COMMANDS,
        "boot": asking.BOOT_COMMANDS,
        "ca": authorities.CA_COMMANDS,
        "reference": {**references.REFERENCE_COMMANDS, **commands.reference},
        "rollout": plans.ROLLOUT_COMMANDS,
        "alarm": alarms.ALARM_COMMANDS,
        "console": consoles.CONSOLE_COMMANDS,
        "latch": power.LATCH_COMMANDS,
        "token": tokens.TOKEN_COMMANDS,
        "credential": credentials.CREDENTIAL_COMMANDS,
        "sim": sim,
        "demo": commands.demo,
        "export": export,
        "audit": auditing.AUDIT_COMMANDS,
        "verify": commands.verify,
        "advisory": advising.ADVISORY_COMMANDS,
        "onboard": onboarding.ONBOARD_COMMANDS,
        "hook": onboarding.HOOK_COMMANDS,
    }
    for word, members in groups.items():
        found = {name: each for name, each in members.items() if each is not None}
        group = typer.Typer(
            help=GROUPS[word],
            no_args_is_help=True,
            rich_markup_mode=None,
            cls=BY_FIRST_WORD.get(word, Told),
        )
        group.callback()(_grouped)
        for name, each in found.items():
            group.command(name, cls=SeveralValues if word == "verify" else None)(each)
        if word == "power":
            _add_caps(group)
        if word == "alarm":
            _add_routes(group)
        if found:
            app.add_typer(group, name=word, help=GROUPS[word])


def _add_caps(power_group: typer.Typer) -> None:
    for word, commands, told in (
        ("cap", power.CAP_COMMANDS, CAPS_HELP),
        ("target", targets.TARGET_COMMANDS, TARGETS_HELP),
    ):
        group = typer.Typer(help=told, cls=Told, no_args_is_help=True, rich_markup_mode=None)
        group.callback()(_grouped)
        for name, each in commands.items():
            group.command(name)(each)
        power_group.add_typer(group, name=word, help=told)


def _add_routes(alarm_group: typer.Typer) -> None:
    routes = typer.Typer(help=ROUTES_HELP, cls=Told, no_args_is_help=True, rich_markup_mode=None)
    routes.callback()(_grouped)
    for name, each in alarms.ROUTE_COMMANDS.items():
        routes.command(name)(each)
    alarm_group.add_typer(routes, name="route", help=ROUTES_HELP)


def _grouped() -> None:
    """A group, also where it has one command only."""


def _root(version: str) -> Callable[..., None]:
    def show_version(value: bool) -> None:
        if value:
            sys.stdout.write(f"iolaus {version}\n")
            raise typer.Exit

    def root(
        version: bool = typer.Option(
            False, "--version", callback=show_version, is_eager=True, help="Show the version."
        ),
    ) -> None:
        """The open, out-of-band control plane for AI data halls."""

    return root


def run_cli(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. No traceback reaches a person."""
    with _told_to_stop() as stopped:
        code = _run(app, arguments)
    return stopped[0] if stopped and code == INTERRUPTED else code


@contextlib.contextmanager
def _told_to_stop() -> Iterator[list[int]]:
    """A signal to end is met as Ctrl-C is, so that sessions are given back on the way out."""
    stopped: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopped.append(128 + number)
        signal.raise_signal(signal.SIGINT)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread, which alone is told of signals
        yield stopped
        return
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(app: typer.Typer, arguments: Sequence[str] | None) -> int:
    try:
        command = typer.main.get_command(app)
        result = command.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="iolaus",
            standalone_mode=False,
        )
        return result if isinstance(result, int) else 0
    except IolausError as error:
        print_error(error)
        return error.exit_code
    except TyperException as error:
        show = getattr(error, "show", None)
        show(file=sys.stderr) if show else say(str(error))
        return 2
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except SystemExit as ended:
        return _cut_off(ended)
    except Exception as error:  # noqa: BLE001 - the last door: a person gets a line, the log the rest
        return _our_fault(error)


def _cut_off(ended: SystemExit) -> int:
    """Typer ends a command silently, with 1, for any pipe that breaks. One whose reader went away
    (`| head`) is nobody's fault; what else broke is told, because 1 means differences."""
    error = ended.__context__
    if not isinstance(error, OSError):
        raise ended
    if not _reader_is_gone():
        return _our_fault(error)
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    return 0


def _reader_is_gone() -> bool:
    watch = select.poll()
    watch.register(STDOUT, 0)
    return bool(watch.poll(0))


def _our_fault(error: Exception) -> int:
    if os.environ.get("IOLAUS_DEBUG"):
        structlog.get_logger(__name__).exception("command failed")
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    say(f"error: our own fault: {type(error).__name__}: {text(str(error))}")
    say("  next:  set IOLAUS_DEBUG=1, run it again, and report what it prints.")
    return 1
