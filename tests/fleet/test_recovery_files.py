"""The policy of recovery as a file: read strictly, every complaint with its place."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.fleet.document import BadFile
from iolaus.fleet.recovery_files import load_policy, read_recovery, recovery_schema
from iolaus.fleet.window import parse_duration
from iolaus.kernel.errors import OperatorMust
from iolaus.model.recovery import RungName
from iolaus.recovery.policy import rules_of

PAGE = Path(__file__).parents[2] / "docs" / "recovery.md"
HEAD = "apiVersion: iolaus.dev/v1\nkind: RecoveryPolicy\nmetadata: {name: hall}\n"


def test_the_policy_of_the_page_is_read_and_counts() -> None:
    text = PAGE.read_text().split("```yaml\n")[1].split("```")[0]
    (policy,) = read_recovery(text, source="page")
    rules = rules_of(policy.spec, seconds=parse_duration)
    assert RungName.MAINS not in rules.rungs
    assert rules.rungs[RungName.OUTLET].per_rack_hour == 2
    assert rules.rungs[RungName.RESTART].cool_down_s == 1800.0
    assert (rules.silent_for_s, rules.automatic.after_s) == (60.0, 600.0)


def test_the_schema_that_editors_use_is_the_one_of_the_model() -> None:
    """Write it anew with GOLDEN=write in the environment."""
    path = PAGE.with_name("recovery.schema.json")
    told = json.dumps(recovery_schema(), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(told)
    assert path.read_text() == told
    judge = jsonschema.Draft202012Validator(recovery_schema())
    text = PAGE.read_text().split("```yaml\n")[1].split("```")[0]
    assert judge.is_valid(yaml.safe_load(text))
    assert not judge.is_valid(yaml.safe_load(text.replace("silentFor", "silentfor")))


@pytest.mark.parametrize(
    ("spec", "place", "told"),
    [
        ("spec: {silentfor: 60s}", "4:8", "not known"),
        ("spec: {silentFor: soon}", "4:19", "silentFor"),
        ("spec:\n  rungs: {kick: {}}", "5:", "rungs"),
        ("spec:\n  automatic: {classes: [host-hung]}", "5:", "no node"),
        ("spec:\n  automatic: {classes: [power-gone]}", "5:", "classes"),
        ("spec:\n  rescue: {boot: Cd}", "5:", "needs an image"),
        (
            "spec:\n  rescue: {boot: Pxe, image: 'https://i/r.efi'}",
            "5:",
            "starts from no such image",
        ),
        (
            "spec:\n  rescue: {boot: UefiHttp, image: 'nfs://i/r'}",
            "5:",
            "starts from no such image",
        ),
        ("spec:\n  together: {least: 1}", "5:", "least"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(spec: str, place: str, told: str) -> None:
    with pytest.raises(BadFile) as caught:
        read_recovery(HEAD + spec + "\n", source="r.yaml")
    assert f"r.yaml:{place}" in caught.value.lines()[0]
    assert told in "\n".join(caught.value.lines())


def test_one_hall_has_one_policy_and_none_is_the_usual(tmp_path: Path) -> None:
    assert load_policy(tmp_path / "recovery.yaml") is None
    path = tmp_path / "recovery.yaml"
    path.write_text(f"{HEAD}spec: {{}}\n---\n{HEAD}spec: {{}}\n")
    with pytest.raises(OperatorMust, match="one hall has one"):
        load_policy(path)


@settings(max_examples=60)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_recovery(HEAD + text, source="-")
    except OperatorMust as error:
        assert error.next_step
