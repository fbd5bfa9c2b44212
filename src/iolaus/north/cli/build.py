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
from iolaus.north.cli.cells import text
from iolaus.north.cli.render import print_error, say
from iolaus.north.cli.sections import Sectioned, Told
from iolaus.north.cli.several import SeveralValues
from iolaus.north.cli.words import COMMANDS, GROUPS, Group, at

EPILOG = (
    "Kinds and selectors: docs/cli.md. Exit codes: 0 ok, 1 differences or partial, 2 usage, "
    "3 refused, 4 unreachable, 5 not verified."
)
INTERRUPTED: Final = 130
OURS: Final = (
    "up", "serve", "core", "edge", "inspect", "capture", "doctor", "backup", "restore",
)  # fmt: skip
OURS_IN: Final = ("sim", "demo", "export", "verify", "reference")
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


Command = Callable[..., Any]


def build_cli(commands: Commands, words: Sequence[str] | None = None) -> typer.Typer:
    """`words` are those of a person: where the first names a command, that alone is put together,
    because what all of them import takes longer than most commands run."""
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
    ours = {name: each for name in OURS if (each := getattr(commands, name)) is not None}
    first = next((word for word in words or () if not word.startswith("-")), "")
    is_known = first in ours or first in COMMANDS or first in GROUPS
    for name in (first,) if is_known else (*ours, *COMMANDS, *GROUPS):
        if name in GROUPS:
            _add_group(app, name, GROUPS[name], _more(commands, name))
        else:
            app.command(name)(ours.get(name) or at(COMMANDS[name]))
    app.callback()(_root(commands.version))
    return app


def _more(commands: Commands, word: str) -> Mapping[str, Command]:
    """Commands of a group that need the whole house."""
    more: dict[str, Command] = dict(getattr(commands, word)) if word in OURS_IN else {}
    if word == "sim":
        plain = {"replay": commands.sim_replay, "hall": commands.sim_hall}
        return {name: each for name, each in plain.items() if each is not None} | more
    return more


def _add_group(
    app: typer.Typer, word: str, group: Group, more: Mapping[str, Command] | None = None
) -> None:
    """Commands of two words, where this build has any of them."""
    found = {**group.commands(), **(more or {})}
    made = typer.Typer(
        help=group.told,
        no_args_is_help=True,
        rich_markup_mode=None,
        cls=at(group.by_first_word) if group.by_first_word else Told,
    )
    made.callback()(_grouped)
    for name, each in found.items():
        made.command(name, cls=SeveralValues if word == "verify" else None)(each)
    for name, inner in group.inner.items():
        _add_group(made, name, inner)
    if found:
        app.add_typer(made, name=word, help=group.told)


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
    """A signal to end is met as Ctrl-C is, so that sessions are given back on the way out; also
    where that is ignored, as shells have it for what a script leaves in the background."""
    stopped: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopped.append(128 + number)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt
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
