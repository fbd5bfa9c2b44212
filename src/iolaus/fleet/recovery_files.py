"""The policy of recovery as a file: read as baselines are, every complaint with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from iolaus.fleet.document import BadFile, Complaint, Document, parse_as, parse_documents
from iolaus.fleet.judge import compile_selector
from iolaus.fleet.window import parse_duration
from iolaus.kernel.errors import OperatorMust
from iolaus.model.recovery import RecoveryPolicy, RecoverySpec, RescueWant

KIND: Final = "RecoveryPolicy"
PAGE: Final = "docs/recovery.md"
_DURATIONS: Final = (
    (("silentFor",), "silent_for"),
    (("wedgedAfter",), "wedged_after"),
    (("signalsFor",), "signals_for"),
)


def is_recovery(document: Document) -> bool:
    value = document.value
    return isinstance(value, dict) and value.get("kind") == KIND


def read_recovery(text: str, *, source: str) -> list[RecoveryPolicy]:
    """All of a text, wholly checked. Raises `BadFile` with line and column."""
    return [parse_recovery(each) for each in parse_documents(text, source=source)]


def load_policy(path: Path) -> RecoverySpec | None:
    """That of the operator's file; None where there is no file. Raises `OperatorMust`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorMust(
            f"it cannot be read: {error}",
            operation="read recovery policy",
            subject=str(path),
            code="PolicyUnreadable",
            next_step="make it readable UTF-8 text, or remove it.",
        ) from None
    found = read_recovery(text, source=str(path))
    if len(found) > 1:
        raise OperatorMust(
            f"there are {len(found)} policies, and one hall has one",
            operation="read recovery policy",
            subject=str(path),
            code="TooMany",
            next_step="keep one of them.",
        )
    return found[0].spec


def recovery_schema() -> dict[str, Any]:
    """As JSON schema, for editors."""
    schema = msgspec.json.schema(RecoveryPolicy)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def parse_recovery(document: Document) -> RecoveryPolicy:
    """The policy of a document, wholly checked. Raises `BadFile` with every complaint."""
    policy = parse_as(document, RecoveryPolicy, page=PAGE)
    wrong = list(_wrong(document, policy.spec))
    if wrong:
        raise BadFile(document.source, sorted(wrong))
    return policy


def _wrong(document: Document, spec: RecoverySpec) -> Iterator[Complaint]:
    for path, name in _DURATIONS:
        yield from _duration(document, ("spec", *path), getattr(spec, name))
    automatic = spec.automatic
    yield from _duration(document, ("spec", "automatic", "after"), automatic.after)
    here = ("spec", "automatic", "selector")
    try:
        compile_selector(automatic.selector)
    except OperatorMust as error:
        yield document.wrong(here, error.message, error.next_step)
    chosen = automatic.selector.match_labels or automatic.selector.expression
    if automatic.classes and not chosen:
        step = "Write matchLabels: or expression: there."
        yield document.wrong(here, "something is automatic, and for no node", step)
    if automatic.classes and not automatic.rungs:
        step = "Write rungs: [restart, ...], the ones that need no person."
        yield document.wrong(("spec", "automatic", "rungs"), "no rung is automatic", step)
    for name, want in spec.rungs.items():
        for key in ("timeout", "cool_down"):
            if text := getattr(want, key):
                place = ("spec", "rungs", name.value, "coolDown" if key == "cool_down" else key)
                yield from _duration(document, place, text)
    rescue = spec.rescue
    if rescue is not None and rescue.boot in ("Cd", "Usb") and not rescue.image:
        step = "Write image: https://..., or boot: UefiHttp."
        yield document.wrong(("spec", "rescue"), "a drive needs an image", step)
    if rescue is not None and rescue.image and not _may_be(rescue):
        step = "Write boot: UefiHttp and image: https://..., or leave image out."
        told = f"{rescue.boot} starts from no such image"
        yield document.wrong(("spec", "rescue", "image"), told, step)


def _may_be(rescue: RescueWant) -> bool:
    """Who starts from a drive takes whatever its controller can fetch; a boot server of PXE says
    itself what it is, and a machine's own image needs no name."""
    if rescue.boot == "UefiHttp":
        return rescue.image.startswith(("http://", "https://"))
    return rescue.boot in ("Cd", "Usb")


def _duration(document: Document, path: tuple[Any, ...], text: str) -> Iterator[Complaint]:
    try:
        parse_duration(text)
    except OperatorMust as error:
        yield document.wrong(path, error.message, error.next_step)
