"""Options that several commands share, and what is said of wrong ones."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.discover import read_password

if TYPE_CHECKING:
    from iolaus.app.alone import Approach
    from iolaus.observe.collect import Periods
    from iolaus.store.own import Login
    from iolaus.wire.redfish.port import Credential

USER_ENV: Final = "IOLAUS_BMC_USER"
DB_PASSWORD: Final = "IOLAUS_DB_PASSWORD"  # noqa: S105  the name of a variable
INVENTORY_POLLS: Final = 6

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
Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help=f"A database elsewhere, postgresql://USER@HOST/NAME; its password is in "
        f"{DB_PASSWORD}.",
    ),
]
Listen = Annotated[str, typer.Option("--listen", help="Address and port of the API and pages.")]
SiteName = Annotated[str, typer.Option("--site-name", help="Name of the site, for metrics.")]
TlsCert = Annotated[
    Path | None,
    typer.Option("--tls-cert", metavar="PEM", help="Our own certificate, with its chain."),
]
TlsKey = Annotated[
    Path | None, typer.Option("--tls-key", metavar="PEM", help="The key of --tls-cert.")
]
PollEvery = Annotated[
    float | None,
    typer.Option(
        "--poll-every",
        metavar="SECONDS",
        min=1,
        max=600,
        help="From one poll of power, health, temperatures and leaks to the next; else 10.",
    ),
]
OpenTokens = Annotated[
    bool,
    typer.Option(
        "--allow-http",
        help="Let tokens cross the network unencrypted (behind a proxy that speaks TLS).",
    ),
]


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
    login = _kept(name)
    if login is None:
        raise OperatorMust(
            "the credential store has no such entry",
            operation="read credential",
            subject=name,
            code="NoCredential",
            next_step="give --user and --password-file; discover stores what it is given.",
        )
    return Credential(user=login.user, password=login.password)


def _kept(name: str) -> Login | None:
    from iolaus.store.secrets import Secrets
    from iolaus.store.state import default_state_dir

    return Secrets(default_state_dir() / "secrets").get(name)


def database_of(db: str) -> str:
    """The URL with the password that the environment has for it, if any. Raises `OperatorMust` for
    what is no URL, and for one that says its password where everybody on the machine can read it.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(db)
    except ArgumentError:
        raise _bad_database("it is not like postgresql://USER@HOST/NAME", "correct it.") from None
    if url.password is not None:
        raise _bad_database(
            "a password on a command line can be read by everybody on the machine",
            f"leave it out, and put it into {DB_PASSWORD}.",
        )
    if url.host is not None and (password := os.environ.get(DB_PASSWORD)):
        url = url.set(password=password)
    return url.render_as_string(hide_password=False)


def _bad_database(message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message, operation="read option", subject="--db", code="BadOption", next_step=next_step
    )


def periods_of(poll_every: float | None) -> Periods:
    """How often is read what; the usual periods where nothing is said. Who wants fewer polls has
    logs no oftener than these, and an inventory with every sixth at most."""
    from iolaus.observe.collect import Periods

    usual = Periods()
    if poll_every is None:
        return usual
    return Periods(
        hot_s=poll_every,
        logs_s=max(usual.logs_s, poll_every),
        inventory_s=max(usual.inventory_s, INVENTORY_POLLS * poll_every),
    )


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


def own_tls(certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    """What the server shows of itself, tried before anything starts. Raises `OperatorMust`."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise _no_tls("--tls-cert and --tls-key", "one is of no use without the other")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            certificate, key, password=""
        )
    except (OSError, ssl.SSLError) as error:
        raise _no_tls(f"{certificate} and {key}", f"cannot be used: {error}") from None
    return certificate, key


def _no_tls(subject: str, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="read the server's certificate",
        subject=subject,
        code="BadCertificate",
        next_step="give PEM files: the certificate with its chain, and its key without a password.",
    )
