"""A host and a coolant unit before judges that nobody here wrote; the whole matrix is a bench."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from bench.judges.excused import EXCUSES, held_against
from bench.judges.hall import served
from bench.judges.judges import FITTING, Court, Finding, Verdict
from bench.judges.table import document

from iolaus.sim.personas import personas

HOST, GEAR = "dl365-cpu", "cdu-row"
pytestmark = [pytest.mark.shared, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def used(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Verdict]]:
    """The judge that sleeps for a minute has a host of its own, which it switches off and on while
    others are at work."""
    folder = tmp_path_factory.mktemp("uses")
    with served([HOST], folder) as dock, ThreadPoolExecutor(1) as pool:
        court = Court(dock=dock, shared=shared.resolve(), folder=folder)
        yield pool.submit(court.uses, HOST)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def court(
    used: Future[Verdict], shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Court]:
    folder = tmp_path_factory.mktemp("judges")
    with served([HOST, GEAR], folder) as dock:
        yield Court(dock=dock, shared=shared.resolve(), folder=folder)
    shutil.rmtree(folder, ignore_errors=True)


def clear(verdict: Verdict) -> bool:
    left = held_against(verdict)
    assert not left, "\n".join(f"{each.where}: {each.what}" for each in left)
    return verdict.counts["PASS"] > 0


@pytest.mark.parametrize("persona", [HOST, GEAR])
def test_service_validator_finds_no_failure(court: Court, persona: str) -> None:
    assert clear(court.service(persona))


@pytest.mark.parametrize(
    ("persona", "profile"),
    [(persona, each) for persona in (HOST, GEAR) for each in FITTING[persona]],
)
def test_profile_is_met(court: Court, persona: str, profile: str) -> None:
    assert clear(court.interop(persona, profile))


def test_protocol_validator_finds_no_failure(court: Court) -> None:
    assert clear(court.protocol(HOST))


def test_use_cases_pass(used: Future[Verdict]) -> None:
    assert clear(used.result())


def test_every_persona_is_judged() -> None:
    assert set(FITTING) == set(personas())


def test_excuses_name_machines_and_give_reasons() -> None:
    for excuse in EXCUSES:
        assert len(excuse.reason) > 20
        assert excuse.finding.strip("*"), "an excuse for everything is none"


def test_table_tells_failures_from_what_passed() -> None:
    findings = (Finding("PASS", "/a", ""), Finding("SKIP", "/b", "Skip"),
                Finding("FAIL", "/c Name", "the property is | missing"))  # fmt: skip
    text = document([Verdict(persona="one", judge="service", findings=findings)])
    assert "| one | service | 1 | 0 | 1 | 0 | 1 |" in text
    assert "- one, service: the property is / missing (1)" in text
