"""The first page of help: sixty commands by what a person wants, each told whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperGroup

SECTIONS: Final[Mapping[str, Sequence[str]]] = {
    "Run Iolaus": ("up", "serve", "core", "edge", "doctor", "backup", "restore", "token", "audit"),
    "See": ("get", "describe", "explain", "summary", "top", "events", "watch", "alarm"),
    "Find machines, take them on, give them back": (
        "discover", "inspect", "capture", "manage", "refresh", "forget",
        "onboard", "handover", "retire", "recommission", "hook",
    ),
    "Say what good looks like, and bring it about": (
        "apply", "validate", "sync", "remove", "export", "diff",
        "plan", "approve", "rollout", "drain", "undrain", "rotate", "credential", "ca",
    ),
    "Reach and recover": ("recover", "console", "bundle"),
    "Power, boot and heat": ("power", "boot", "latch", "isolate"),
    "Prove what runs": ("attest", "verify", "reference", "advisory", "quarantine"),
    "Try": ("sim", "demo"),
}  # fmt: skip
OTHERS: Final = "Commands"
WHOLE: Final = 200
"""More than the first sentence of any command."""


class Told(TyperGroup):
    """A group whose help gives the first sentence of each command whole, and not its beginning."""

    sections: ClassVar[Mapping[str, Sequence[str]]] = {}

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        left = dict.fromkeys(self.list_commands(ctx))
        for title, names in (*self.sections.items(), (OTHERS, tuple(left))):
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                if name in left and command is not None and not command.hidden:
                    del left[name]
                    rows.append((name, command.get_short_help_str(WHOLE)))
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class Sectioned(Told):
    """The group of all commands."""

    sections = SECTIONS
