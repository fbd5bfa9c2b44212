"""Options that take several values in a row: `--anchor a b`, which is what a shell makes of
`--anchor *.der`, means `--anchor a --anchor b`. Where a command has positional arguments, they
have to come first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import typer
from typer.core import TyperCommand

from iolaus.north.cli.sections import Told


class SeveralValues(TyperCommand):
    """A command whose repeatable options do so."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        several = {
            name for each in self.params if getattr(each, "multiple", False) for name in each.opts
        }
        waiting = any(each.param_type_name == "argument" for each in self.params)
        return super().parse_args(ctx, list(_repeated(args, several, waiting=waiting)))


class PacksByName(Told):
    """A group in which a file's name that ends as a pack's stands for the command `pack`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        named = args and args[0].endswith(".zip") and args[0] not in self.commands
        return super().parse_args(ctx, ["pack", *args] if named else args)


def _repeated(args: Sequence[str], several: set[str], *, waiting: bool) -> Iterator[str]:
    """`--anchor a b` as `--anchor a --anchor b`; not while a positional is waited for."""
    option, after_value = "", False
    for each in args:
        if each.startswith("-") and each != "-":
            option, after_value = each, False
        elif after_value and option in several and not waiting:
            yield option
        elif after_value or not option:
            waiting = False
        else:
            after_value = True
        yield each
