"""`discover` and `forget`: asking the server to look for endpoints, or to let one go.

A password comes from a file, the environment or a prompt, never from the arguments: those are
shown to everyone on the machine.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.north.cli.ask import UrlOption, path_of
from iolaus.north.cli.cells import Column, column
from iolaus.north.cli.client import Client, flat
from iolaus.north.cli.render import Output, print_json, print_table, say
from iolaus.north.kinds import BY_NAME

POLL_S: Final = 0.3
PASSWORD_ENV: Final = "IOLAUS_BMC_PASSWORD"  # noqa: S105 - a variable's name
SHOWN: Final = frozenset({"silent"})
COLUMNS: Final = (
    column("ADDRESS", "address"),
    column("NAME", "name"),
    column("OUTCOME", "outcome"),
    Column(title="MESSAGE", cell=lambda row: _message(row)),
)


def discover(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]...",
            help="https://host[:port], host, 10.3.0.0/24, or bmc-r[01-16].",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("-f", "--file", metavar="HOSTS", help="A hosts file (YAML).")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Account of the BMCs.")] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", help=f"Its password; else {PASSWORD_ENV}, or a prompt."),
    ] = None,
    credential: Annotated[
        str | None, typer.Option("--credential", help="An entry of the credential store.")
    ] = None,
    trust: Annotated[
        str, typer.Option("--trust", metavar="verify|first", help="`first` pins at first contact.")
    ] = "verify",
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Accept http:// (sends the password open).")
    ] = False,
    ssdp: Annotated[bool, typer.Option("--ssdp", help="Also ask the local network.")] = False,
    site: Annotated[
        str, typer.Option("--site", help="The site they are on; in a cluster its edges look.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be tried.")] = (
        False
    ),
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the result.")] = True,
    output: Annotated[Output, typer.Option("-o", "--output")] = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Find management controllers and keep watching them. Reads only.

    Examples: iolaus discover 10.3.0.0/24 --user root --password-file pw;
    iolaus discover -f hosts.yaml --trust first
    """
    if not targets and not file and not ssdp:
        raise _nothing_named()
    spec = {
        "targets": targets or [],
        "trust": trust,
        "allowHttp": allow_http,
        "ssdp": ssdp,
        **({"site": site} if site else {}),
        **({"hostsFile": read_text(file, "hosts file")} if file else {}),
        **_credential(user, password_file, credential),
    }
    query = {"dryRun": "All"} if dry_run else {}
    with Client(url) as client:
        task = client.post("/api/v1/discoveries", {"spec": spec}, **query)
        if wait and not dry_run:
            task = follow(client, task)
    code = show(task, output)
    if code:
        raise typer.Exit(code)


def _nothing_named() -> OperatorMust:
    return OperatorMust(
        "nothing to discover is named",
        operation="discover",
        subject="targets",
        code="NothingNamed",
        next_step="iolaus discover 10.3.0.0/24, or -f hosts.yaml, or --ssdp",
    )


def follow(client: Client, task: dict[str, Any]) -> dict[str, Any]:
    """Poll the task to its end; progress on a terminal only."""
    path = f"/api/v1/tasks/{task['metadata']['name']}"
    shows = sys.stderr.isatty()
    while task["status"]["state"] == "Running":
        time.sleep(POLL_S)
        task = client.get(path)
        if shows:
            counts = task["status"]["counts"]
            said = ", ".join(f"{number} {word}" for word, number in counts.items()) or "..."
            sys.stderr.write(f"\r\x1b[K{said}")
            sys.stderr.flush()
    if shows:
        sys.stderr.write("\r\x1b[K")
    return task


def show(task: dict[str, Any], output: Output) -> int:
    """Print the results; the exit code: 0 all well, 1 partial, 4 nobody answered."""
    status = task["status"]
    if output is Output.JSON:
        print_json({"kind": "Task", "name": task["metadata"]["name"], **status})
    else:
        rows = [row for row in status["results"] if row["outcome"] not in SHOWN or row["message"]]
        if rows:
            print_table(COLUMNS, rows)
    counts = status["counts"]
    said = ", ".join(f"{number} {word}" for word, number in sorted(counts.items())) or "nothing"
    say(
        f"{status['state'].lower()}: {said}"
        + (f"; {status['message']}" if status["message"] else "")
    )
    if status["state"] == "Running":
        say(f"task {task['metadata']['name']}; see it with: iolaus get endpoints")
    if status["next_step"]:
        say(f"next: {status['next_step']}")
    return _code(status)


def _code(status: dict[str, Any]) -> int:
    counts = status["counts"]
    good = sum(counts.get(word, 0) for word in ("new", "known", "would-try"))
    if status["state"] in ("Running", "Succeeded") and (good or not counts.get("silent")):
        return 0
    if good:
        return 1
    if status["state"] == "Failed" and not counts:
        return 3 if status["code"].endswith("Refused") else 2
    refused = [r for r in status["results"] if r.get("fingerprint")]
    return 5 if refused and len(refused) == len(status["results"]) else 4


def forget(
    name: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Name or endpoint/NAME.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: UrlOption = None,
) -> None:
    """Stop watching an endpoint and drop what is held of it.

    Example: iolaus forget h1-r07-u12 --yes
    """
    path = path_of(BY_NAME["endpoint"], name.removeprefix("endpoint/"))
    with Client(url) as client:
        found = flat(client.get(path))
        if not dry_run and not yes:
            _confirm(f"forget {found['name']} ({found['address']})?")
        client.delete(path, **({"dryRun": "All"} if dry_run else {}))
    say(f"{'would forget' if dry_run else 'forgot'} {found['name']} ({found['address']})")


def _confirm(question: str) -> None:
    """Raises `PolicyRefused` without a terminal or a yes."""
    if sys.stdin.isatty() and typer.confirm(question, err=True):
        return
    raise PolicyRefused(
        "it was not confirmed",
        operation="forget",
        subject="endpoint",
        code="NotConfirmed",
        next_step="add --yes if you mean it.",
    )


def _credential(user: str | None, file: Path | None, name: str | None) -> dict[str, Any]:
    if name:
        return {"credential": {"name": name}}
    if not user:
        return {}
    return {"credential": {"user": user, "password": read_password(user, file)}}


def read_password(user: str, file: Path | None) -> str:
    """From the file, the environment, or a prompt on a terminal. Raises `OperatorMust`."""
    if file is not None:
        return read_text(file, "password file").rstrip("\r\n")
    if password := os.environ.get(PASSWORD_ENV):
        return password
    if sys.stdin.isatty():
        return str(typer.prompt(f"password of {user}", hide_input=True, err=True))
    raise OperatorMust(
        "no password is given",
        operation="read password",
        subject=user,
        code="NoPassword",
        next_step=f"use --password-file FILE, or set {PASSWORD_ENV}.",
    )


def read_text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise OperatorMust(
            f"the {what} cannot be read: {why}",
            operation="read",
            subject=str(path),
            code="Unreadable",
            next_step="check the path and its permissions.",
        ) from None


def _message(row: Any) -> str:
    said = row.get("message") or ""
    pin = f" (certificate {row['fingerprint']})" if row.get("fingerprint") else ""
    then = f"; {row['next_step']}" if row.get("next_step") else ""
    return f"{said}{pin}{then}" or "-"
