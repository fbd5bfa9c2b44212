"""The OpenAPI document: valid, committed, and true (schemathesis asks the running API)."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate

from iolaus.app.alarming import Alarming
from iolaus.app.console_lines import Opened, Wanted, place_in
from iolaus.app.consoles import Consoles
from iolaus.app.notifying import Notifier
from iolaus.app.planting import Planted, Written
from iolaus.app.references import References
from iolaus.app.ruling import Ruling
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceSilent
from iolaus.north.api import openapi_document
from iolaus.north.context import Context
from iolaus.north.kinds import KINDS
from iolaus.store.authorities import Authorities
from iolaus.store.secrets import Secrets
from iolaus.store.shelf import alarm_shelf, reference_shelf
from tests.app.sited import house_of
from tests.north.api.test_advisories import read
from tests.north.api.test_drains import People
from tests.north.api.test_recoveries import Recovers
from tests.north.attesting import Attesting
from tests.north.checkpointing import Signs
from tests.north.conftest import make_context, serving
from tests.north.receiving import Reception
from tests.north.rolling import Rolling

pytestmark = pytest.mark.slow

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"
REFRESH = "python -m tests.north.api.test_openapi"


@cache
def document() -> dict[str, Any]:
    """Nobody changes it."""
    return openapi_document(make_context(JumpClock()))


def written(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_it_is_valid_openapi_3_1() -> None:
    found = document()
    assert found["openapi"].startswith("3.1")
    validate(found)


def test_the_committed_copy_is_the_same() -> None:
    assert COMMITTED.read_text() == written(document()), f"it has changed; run: {REFRESH}"


def test_every_kind_has_its_paths_and_every_operation_its_problems() -> None:
    paths = document()["paths"]
    for kind in KINDS:
        assert {f"/api/v1/{kind.plural}", f"/api/v1/{kind.plural}/{{name}}"} <= set(paths)
    for path, operations in paths.items():
        for operation in operations.values():
            assert operation["operationId"]
            assert path.startswith("/api/v1") is ("401" in operation["responses"])


class NoLines:
    """Nobody is there."""

    async def open(self, wanted: Wanted) -> Opened:
        raise DeviceSilent("nobody is there", operation="open", subject=wanted.uid)


def consoles(context: Context, folder: Path) -> Consoles:
    return Consoles(
        folder=folder,
        place_of=lambda uid: place_in(context.fleet, uid),
        lines=NoLines(),
        record=context.audit.append,
        clock=context.clock,
    )


@pytest.mark.parametrize("examples", [4, pytest.param(40, marks=pytest.mark.soak)])
def test_no_request_makes_the_server_fail(tmp_path: Path, examples: int) -> None:
    """Schemathesis makes requests from the document and judges each answer by it. A string may
    be refused although the document allows it: the grammar of selectors is not a schema's."""

    def check(case: Any) -> None:
        if isinstance(case.query, dict):
            case.query.pop("watch", None)
        response = case.call(timeout=90)
        assert response.status_code not in (500, 502, 504), response.text
        excluded = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")]
        case.validate_response(response, excluded_checks=excluded)

    context = make_context(JumpClock())
    context.rolls = Rolling(context)
    context.read_advisories = read
    context.authorities = Authorities(tmp_path, secrets=Secrets(tmp_path / "secrets"))
    context.attests = Attesting(context)
    context.drains = People()
    context.consoles = consoles(context, tmp_path)
    context.recovers = Recovers()
    context.alarms = Alarming(
        facts=context.facts,
        fleet=lambda: context.fleet,
        kept=alarm_shelf(),
        bus=context.bus,
        clock=context.clock,
    )
    asyncio.run(context.alarms.look())
    context.notifier = Notifier(folder=tmp_path, alarms=list, clock=context.clock)
    context.checkpoints = Signs(context.audit)
    context.references = References(shelf=reference_shelf(), clock=context.clock)
    context.secrets = Secrets(tmp_path / "logins")
    context.onboards = Reception()
    context.seen_site = house_of(context, tmp_path)

    async def nobody(_: object) -> None:
        return None

    context.rules = Ruling(
        join=nobody,
        planted=Planted(Written(), context.facts, context.clock),
        facts=context.facts,
        directory=tmp_path,
        clock=context.clock,
        follow=lambda *_: None,
        centre=lambda: None,
    )
    with serving(context) as url:
        schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json")
        for found in schema.get_all_operations():
            operation: Any = found.ok()  # type: ignore[union-attr]
            asked = given(case=operation.as_strategy())(check)
            settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))(
                asked
            )()


if __name__ == "__main__":
    COMMITTED.write_text(written(document()))
