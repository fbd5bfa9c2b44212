"""Files of power on the command line: a plant and its policies, checked where they are written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
import yaml

from iolaus.fleet.energy_files import is_energy, read_energy
from iolaus.kernel.errors import OperatorMust
from iolaus.model.energy import EnergyDocument
from iolaus.north.cli.ask import UrlOption, confirm, path_of
from iolaus.north.cli.client import Client, Flat, flat
from iolaus.north.cli.reading import holds, read_or_complain
from iolaus.north.cli.render import say, write
from iolaus.north.kinds import BY_NAME

CHANGE: Final = BY_NAME["powerchange"]
POLICY: Final = BY_NAME["powerpolicy"]
PREFIX: Final = "powerchange/"


def validate_energy(files: Sequence[Path]) -> list[Path]:
    """Check those that are of power, and say so; the others come back. Raises `BadFile`."""
    mine = [path for path in files if holds_energy(path)]
    count = sum(len(energy_of(path)) for path in mine)
    if count:
        said = "document of power is" if count == 1 else "documents of power are"
        say(f"{count} {said} valid")
    return [path for path in files if path not in mine]


def holds_energy(path: Path) -> bool:
    """Whether its first document is a plant or a policy of power."""
    return holds(path, is_energy)


def energy_of(path: Path) -> list[EnergyDocument]:
    """Everything in the file. Every complaint is printed before it raises `BadFile`."""
    return read_or_complain(path, read_energy)


def propose(files: Sequence[Path], *, dry_run: bool, url: str | None) -> None:
    """Send what the files say as one change, and show what it would do."""
    documents: list[dict[str, Any]] = [
        msgspec.to_builtins(each) for path in files for each in energy_of(path)
    ]
    order = {"spec": {"documents": documents, "source": ", ".join(map(str, files))[:400]}}
    with Client(url) as client:
        made = flat(client.post(path_of(CHANGE), order, dryRun="All" if dry_run else None))
    write(made["text"])
    if dry_run:
        say("it is not kept (dry run)")
        return
    for line in next_lines(made):
        say(line)


def next_lines(row: Flat) -> list[str]:
    """What comes next."""
    ident = f"{PREFIX}{row['name']}"
    if row["state"] != "planned":
        return [f"{ident} is {row['state']}"]
    missing = [
        f"approve: iolaus approve {ident}   ({left} more of {each['group'] or 'anybody else'})"
        for each in row["approvals"]
        if (left := each["needed"] - len(each["by"])) > 0
    ]
    return [f"{ident}: nothing is changed yet", *missing, f"apply:   iolaus apply {ident}"]


def approve_change(word: str, groups: Sequence[str], *, url: str | None) -> None:
    name = word.removeprefix(PREFIX)
    with Client(url) as client:
        given = flat(client.post(f"{path_of(CHANGE, name)}/approve", {"groups": list(groups)}))
    say(f"approved {PREFIX}{name}")
    for line in next_lines(given):
        say(line)


def apply_change(words: Sequence[str], *, dry_run: bool, yes: bool, url: str | None) -> None:
    """Let one change count from now on."""
    if len(words) != 1:
        raise OperatorMust(
            "one change of power at a time is applied, and no files beside it",
            operation="apply",
            subject=" ".join(words),
            code="BadUsage",
            next_step=f"iolaus apply {PREFIX}ID",
        )
    name = words[0].removeprefix(PREFIX)
    with Client(url) as client:
        row = flat(client.get(path_of(CHANGE, name)))
        if dry_run:
            write(row["text"])
            say(f"would apply {PREFIX}{name}")
            return
        confirm(f"apply {PREFIX}{name}?", "apply", yes=yes, subject=f"{PREFIX}{name}")
        client.post(f"{path_of(CHANGE, name)}/apply", {})
    say(f"{PREFIX}{name} is in force; see: iolaus get powerpolicies")


def withdraw_change(word: str, *, dry_run: bool, yes: bool, url: str | None) -> None:
    name = word.removeprefix(PREFIX)
    if dry_run:
        say(f"would withdraw {PREFIX}{name}")
        return
    confirm(f"withdraw {PREFIX}{name}?", "remove", yes=yes, subject=f"{PREFIX}{name}")
    with Client(url) as client:
        client.delete(path_of(CHANGE, name))
    say(f"withdrew {PREFIX}{name}")


def export_power(
    output: Annotated[
        Path | None, typer.Option("-o", "--out", help="A file [default: standard output].")
    ] = None,
    url: UrlOption = None,
) -> None:
    """Write the plant and the policies of power that count now as a file that can be applied.

    Example: iolaus export power -o power.yaml
    """
    with Client(url) as client:
        documents = [row["document"] for row in client.pages(path_of(POLICY))]
    told = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True) if documents else ""
    if output is None:
        write(told)
        return
    try:
        output.write_text(told, encoding="utf-8")
    except OSError as error:
        raise OperatorMust(
            f"it cannot be written: {error.strerror}",
            operation="export",
            subject=str(output),
            code="Unwritable",
            next_step="choose another file.",
        ) from None
    say(f"wrote {output}; what it would change: iolaus apply {output} --dry-run")
