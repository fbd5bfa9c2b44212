"""Saying what good looks like and seeing what departs: `apply`, `diff`, `validate`, `sync`.

Files are read and checked here, so that every complaint has its line and column before anything
is sent; nothing is applied unless all that was given is right.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import quote

import typer
import yaml

from iolaus.fleet.check import read_baselines
from iolaus.fleet.document import BadFile
from iolaus.fleet.policies import is_policy, read_policies
from iolaus.kernel.errors import OperatorMust
from iolaus.model.desired import Baseline
from iolaus.model.hosts import fold
from iolaus.north.cli.alarm_files import validate_alarms
from iolaus.north.cli.ask import OutputOption, SelectorOption, UrlOption, YesOption, confirm
from iolaus.north.cli.cells import Column, column, text
from iolaus.north.cli.client import Client
from iolaus.north.cli.energy import (
    PREFIX as CHANGE,
)
from iolaus.north.cli.energy import (
    apply_change,
    holds_energy,
    propose,
    validate_energy,
    withdraw_change,
)
from iolaus.north.cli.onboarding import put_list, remove_list, take_lists
from iolaus.north.cli.plans import PREFIX, WaitOption, apply_plans
from iolaus.north.cli.reading import holds, read_or_complain, text_of
from iolaus.north.cli.recovery_files import validate_recovery
from iolaus.north.cli.render import (
    Output,
    err_console,
    plain_table,
    print_csv,
    print_json,
    say,
    write,
)
from iolaus.north.dto.desired import document_of

API: Final = "/api/v1"
SUFFIXES: Final = (".yaml", ".yml", ".json")
DIFFERENCES: Final = 1
Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="YAML or JSON; - is standard input.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change.")]


class Read(NamedTuple):
    """A baseline and where it was read."""

    baseline: Baseline
    source: str


def validate(files: Files) -> None:
    """Check files of baselines, policy, power, recovery, alarms or expected hardware; needs no
    server.

    Example: iolaus validate baselines/*.yaml
    """
    files, lists = take_lists(validate_alarms(validate_recovery(validate_energy(files))))
    if lists:
        say(f"{len(lists)} {'list is' if len(lists) == 1 else 'lists are'} valid")
    policies = [path for path in files if holds(path, is_policy)]
    count = sum(len(read_or_complain(path, read_policies)) for path in policies)
    if count:
        say(f"{count} {'policy is' if count == 1 else 'policies are'} valid")
    if len(policies) < len(files):
        found = read_all([path for path in files if path not in policies])
        say(f"{len(found)} {'baseline is' if len(found) == 1 else 'baselines are'} valid")


def apply(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...|plan/ID", help="YAML or JSON, - is standard input; a plan."
        ),
    ] = None,
    more: Annotated[
        list[Path] | None, typer.Option("-f", "--file", help="A file, as the argument is.")
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    wait: WaitOption = False,
    url: UrlOption = None,
) -> None:
    """Say what good looks like, or let a plan run.

    Baselines are compared with and change nothing on any node; a plan does. A file of power
    (docs/power.md) becomes a change that somebody else must approve.

    Examples: iolaus apply gb300.yaml --dry-run; iolaus apply plan/3f9ac0d1e2b4 --wait
    """
    files = _some([*(files or ()), *(more or ())])
    words = [str(each) for each in files]
    if any(word.startswith(CHANGE) for word in words):
        apply_change(words, dry_run=dry_run, yes=yes, url=url)
        return
    if any(word.startswith(PREFIX) for word in words):
        apply_plans(words, dry_run=dry_run, yes=yes, wait=wait, url=url)
        return
    files, lists = take_lists(files)
    power = [path for path in files if holds_energy(path)]
    found = read_all([path for path in files if path not in power])
    if (found or lists) and not dry_run:
        named = ", ".join(filter(None, [_names(found), *(f"expected/{e.name}" for e, _ in lists)]))
        confirm(f"apply {named}?", "apply", yes=yes, subject="baselines")
    if power:
        propose(power, dry_run=dry_run, url=url)
    with Client(url) as client:
        for each in found:
            say(_put(client, each, dry_run=dry_run))
        for document, source in lists:
            say(put_list(client, document, source, dry_run=dry_run))


def remove(
    name: Annotated[str, typer.Argument(metavar="BASELINE")],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Remove a baseline: its nodes are compared with it no more. Or withdraw a change of power.

    Examples: iolaus remove baseline/gb300; iolaus remove powerchange/3f9ac0d1e2b4
    """
    if name.startswith(CHANGE):
        withdraw_change(name, dry_run=dry_run, yes=yes, url=url)
        return
    if name.startswith("expected/"):
        remove_list(name.removeprefix("expected/"), yes=yes or dry_run, url=url)
        return
    name = name.removeprefix("baseline/").removeprefix("bl/")
    if not dry_run:
        confirm(f"remove baseline/{name}?", "remove", yes=yes, subject="baselines")
    with Client(url) as client:
        client.delete(_path(name), dryRun="All" if dry_run else None)
    say(f"{'would remove' if dry_run else 'removed'} baseline/{name}")


def diff(
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="Compare with a file instead.")
    ] = None,
    baseline: Annotated[str | None, typer.Option("--baseline", help="Of this one only.")] = None,
    selector: SelectorOption = None,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Show what departs from the baselines, grouped by cause. Exit code 1 if anything does.

    Examples: iolaus diff -l rack=h1-r07; iolaus diff -f gb300.yaml
    """
    with Client(url) as client:
        found = _compared(client, file, baseline, selector)
    print_causes(found, output, selected=bool(selector))
    if any(cause["outcome"] != "excused" for cause in found["items"]):
        raise typer.Exit(DIFFERENCES)


def sync(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, or a Git checkout.")],
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove what came from here and is here no more.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Apply every baseline of a folder, all or none of them valid.

    Example: iolaus sync ./baselines --prune
    """
    paths = sorted(p for p in _walk(folder) if p.suffix in SUFFIXES)
    found = [Read(each.baseline, _origin(folder)) for each in read_all(paths)]
    if not found:
        raise _nothing(folder)
    if not dry_run:
        confirm(f"apply {_names(found)}?", "sync", yes=yes, subject="baselines")
    with Client(url) as client:
        for each in found:
            say(_put(client, each, dry_run=dry_run))
        if prune:
            _prune(client, folder, {each.baseline.name for each in found}, dry_run=dry_run)


def export_baseline(
    node: Annotated[str, typer.Argument(metavar="NODE", help="The node to write down.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--out", help="A file [default: standard output].")
    ] = None,
    url: UrlOption = None,
) -> None:
    """Write a live node down as a baseline that can be applied.

    Example: iolaus export baseline h1-r01-u09 -o gb300.yaml
    """
    name = node.removeprefix("node/")
    with Client(url) as client:
        document = client.get(f"{API}/drifts/{quote(name, safe='')}/export")
    told = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    if output is None:
        write(told)
        return
    try:
        output.write_text(told, encoding="utf-8")
    except OSError as error:
        raise _unwritable(output, error) from None
    say(f"wrote {output}; check it with: iolaus diff -f {output}")


def read_all(files: Iterable[Path]) -> list[Read]:
    """Every baseline of the files. All complaints of all files are printed before it raises
    `OperatorMust`."""
    found: list[Read] = []
    wrong: list[str] = []
    for path in files:
        try:
            said = text_of(path)
            found += [Read(each, str(path)) for each in read_baselines(said, source=str(path))]
        except BadFile as error:
            wrong += error.lines()
    twice = _twice(found)
    if wrong:
        err_console().print("\n".join(wrong), markup=False)
        count = f"{len(wrong)} {'complaint' if len(wrong) == 1 else 'complaints'}"
        raise OperatorMust(
            f"{count}; nothing was applied",
            operation="read",
            subject="baselines",
            code="BaselineInvalid",
            next_step="correct the files; docs/baselines.md has every key.",
        )
    if twice:
        raise OperatorMust(
            f"{twice!r} is defined twice",
            operation="read",
            subject="baselines",
            code="BaselineInvalid",
            next_step="give one of them another name.",
        )
    return found


def print_causes(found: dict[str, Any], output: Output, *, selected: bool = False) -> None:
    """A CauseList for a person or a program."""
    if output is Output.JSON:
        print_json(found)
    elif output is Output.YAML:
        write(yaml.safe_dump(found, sort_keys=False, allow_unicode=True))
    elif output is Output.NAME:
        names = {name for cause in found["items"] for name in cause["nodes"]}
        write("".join(f"node/{name}\n" for name in sorted(names)))
    elif output is Output.CSV:
        print_csv(_columns(wide=True), found["items"])
    else:
        _print_causes(found, wide=output is Output.WIDE, selected=selected)


def _print_causes(found: dict[str, Any], *, wide: bool, selected: bool) -> None:
    if found["items"]:
        write(plain_table(_columns(wide=wide), found["items"]))
    counts = ", ".join(f"{count} {state}" for state, count in found["counts"].items())
    if not found["nodes"] and selected:
        say("no node of a baseline is selected; see all of them with: iolaus get drift")
    elif not found["nodes"]:
        say("no baseline selects any node; apply one with: iolaus apply FILE")
    else:
        nodes = f"{found['nodes']} {'node' if found['nodes'] == 1 else 'nodes'}"
        say(f"{nodes}: {counts}; {found['compared']} values compared")


def _columns(*, wide: bool) -> list[Column]:
    first = [
        column("NODES", "count", right=True),
        column("OUTCOME", "outcome"),
        column("SUBJECT", "subject"),
        column("IS", "applied"),
        column("WANTED", "desired"),
    ]
    parts = [column("PARTS", "parts", right=True), column("BASELINE", "baseline")] if wide else []
    return [*first, *parts, column("REASON", "reason"), Column(title="WHICH", cell=_which)]


def _which(row: Any) -> str:
    return text(fold(row["nodes"], most=6))


def _compared(
    client: Client, file: Path | None, baseline: str | None, selector: str | None
) -> dict[str, Any]:
    if file is None:
        return client.get(f"{API}/causes", baseline=baseline, labelSelector=selector)
    given = read_all([file])
    if len(given) != 1 or selector or baseline:
        raise OperatorMust(
            "a file of one baseline, by itself, is compared",
            operation="diff",
            subject=str(file),
            code="BadUsage",
            next_step="name one file with one baseline, without -l and --baseline.",
        )
    return client.post(f"{API}/causes", document_of(given[0].baseline))


def _put(client: Client, each: Read, *, dry_run: bool) -> str:
    name = each.baseline.name
    told = client.put(
        _path(name),
        document_of(each.baseline),
        source=each.source,
        dryRun="All" if dry_run else None,
    )
    would = " (dry run)" if dry_run else ""
    nodes = f"{told['selects']} {'node' if told['selects'] == 1 else 'nodes'}"
    return f"baseline/{name} {told['outcome']}{would}: generation {told['generation']}, {nodes}"


def _prune(client: Client, folder: Path, names: set[str], *, dry_run: bool) -> None:
    origin = _origin(folder).partition("@")[0]
    for row in client.pages(f"{API}/baselines"):
        gone = row["source"].partition("@")[0] == origin and row["name"] not in names
        if gone:
            client.delete(_path(row["name"]), dryRun="All" if dry_run else None)
            say(f"{'would remove' if dry_run else 'removed'} baseline/{row['name']}")


def _path(name: str) -> str:
    return f"{API}/baselines/{quote(name, safe='')}"


def _names(found: Sequence[Read]) -> str:
    names = [f"baseline/{each.baseline.name}" for each in found]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _twice(found: Sequence[Read]) -> str:
    seen: set[str] = set()
    for each in found:
        if each.baseline.name in seen:
            return each.baseline.name
        seen.add(each.baseline.name)
    return ""


def _walk(folder: Path) -> Iterator[Path]:
    """Files below, without hidden folders. Raises `OperatorMust` for what is no folder."""
    if not folder.is_dir():
        raise OperatorMust(
            "it is no folder",
            operation="sync",
            subject=str(folder),
            code="Unreadable",
            next_step="name a folder with baselines.",
        )
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _origin(folder: Path) -> str:
    """`sync:NAME@COMMIT` of a Git checkout (with + when it holds changes), else `sync:NAME`."""
    name = f"sync:{folder.resolve().name}"
    commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return name
    return f"{name}@{commit}" + ("+" if _git(folder, "status", "--porcelain", ".") else "")


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *words],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _some(files: list[Path]) -> list[Path]:
    if not files:
        raise OperatorMust(
            "it is not said what to apply",
            operation="apply",
            subject="files",
            code="BadUsage",
            next_step="iolaus apply FILE... or plan/ID",
        )
    return files


def _nothing(folder: Path) -> OperatorMust:
    return OperatorMust(
        "there is no baseline in it",
        operation="sync",
        subject=str(folder),
        code="NoBaseline",
        next_step="write files that end in .yaml, .yml or .json.",
    )


def _unwritable(path: Path, error: OSError) -> OperatorMust:
    return OperatorMust(
        f"it cannot be written: {error.strerror}",
        operation="export",
        subject=str(path),
        code="Unwritable",
        next_step="choose another file.",
    )
