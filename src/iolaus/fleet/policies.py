"""Files of policy: read as baselines are, every complaint with its line and column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from iolaus.fleet.document import BadFile, Complaint, Document, parse_as, parse_documents
from iolaus.fleet.judge import compile_selector, expires_at
from iolaus.kernel.errors import OperatorMust
from iolaus.model.policy import Policy

KIND: Final = "Policy"
PAGE: Final = "docs/policy.md"


def read_policies(text: str, *, source: str) -> list[Policy]:
    """All policies of a text, wholly checked. Raises `BadFile` with line and column."""
    return [parse_policy(each) for each in parse_documents(text, source=source)]


def load_policies(path: Path) -> list[Policy]:
    """Those of an operator's file; none where there is no file. Raises `OperatorMust`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorMust(
            f"it cannot be read: {error}",
            operation="read policy",
            subject=str(path),
            code="PolicyUnreadable",
            next_step="make it readable UTF-8 text, or remove it.",
        ) from None
    return read_policies(text, source=str(path))


def is_policy(document: Document) -> bool:
    value = document.value
    return isinstance(value, dict) and value.get("kind") == KIND


def parse_policy(document: Document) -> Policy:
    """The policy of a document, wholly checked. Raises `BadFile` with every complaint."""
    policy = parse_as(document, Policy, page=PAGE)
    wrong = list(_wrong(document, policy))
    if wrong:
        raise BadFile(document.source, sorted(wrong))
    return policy


def _wrong(document: Document, policy: Policy) -> Iterator[Complaint]:
    for number, waiver in enumerate(policy.spec.waivers):
        here = ("spec", "waivers", number)
        if not waiver.selector.match_labels and not waiver.selector.expression:
            step = "Write matchLabels: or expression: there."
            yield document.wrong((*here, "selector"), "it selects no node", step)
        try:
            compile_selector(waiver.selector)
        except OperatorMust as error:
            yield document.wrong((*here, "selector"), error.message, error.next_step)
        try:
            expires_at(waiver.expires)
        except ValueError:
            path = (*here, "expires")
            yield document.wrong(path, "there is no such day", "Write 2026-12-31.")
