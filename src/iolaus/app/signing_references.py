"""`iolaus reference sign`: values that an operator stands by, written as a signed document.

No server is needed, and the key never leaves the machine that it is on: the document that comes
out is imported like any maker's, with the operator's public key as its anchor.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.render import say

if TYPE_CHECKING:
    from iolaus.model.reference import ReferenceSet

DAY_S: Final = 86_400.0


def reference_sign(
    values: Annotated[
        Path, typer.Argument(metavar="VALUES", help="A YAML file of values (docs/references.md).")
    ],
    key: Annotated[
        Path, typer.Option(metavar="FILE", help="Your EC private key, PEM without a password.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="What is written.")],
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it holds.")] = 365,
) -> None:
    """Sign reference values of your own, to be imported like those of a maker.

    Example: iolaus reference sign gpus.yaml --key hall.key -o gpus.corim
    """
    from iolaus.trust.own import read_private_key, write_baseline

    name, sets = read_values(_read(values), subject=str(values))
    private = read_private_key(_read(key), subject=str(key))
    now = time.time()
    data = write_baseline(sets, private, name=name, not_before=now, not_after=now + days * DAY_S)
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            file.write(data)
    except OSError as error:
        told = error.strerror or "cannot be written"
        raise _bad(str(out), told, "name a file that is not there yet.") from None
    say(f"{sum(len(each.values) for each in sets)} values of {len(sets)} parts in {out}")
    say(f"import them: iolaus reference import {out} --anchor PUBLIC_KEY")


def read_values(data: bytes, *, subject: str) -> tuple[str, list[ReferenceSet]]:
    """Name and sets of a YAML file of values. Raises `OperatorMust`."""
    import msgspec
    import yaml

    from iolaus.app.own_values import ValuesFile, set_of

    try:
        found = msgspec.convert(yaml.safe_load(data), ValuesFile)
        return found.name, [set_of(each) for each in found.items]
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise _bad(subject, f"it is no YAML: {str(error)[:200]}", "see the example.") from None
    except (msgspec.ValidationError, ValueError) as error:
        raise _bad(subject, str(error).replace("`", "")[:300], "mend it there.") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1 << 22)
    except OSError as error:
        raise _bad(str(path), error.strerror or "cannot be read", "name a file.") from None


def _bad(subject: str, message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message, operation="sign", subject=subject, code="ValuesInvalid", next_step=next_step
    )
