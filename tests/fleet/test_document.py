"""Files of desired state: every complaint has its line, its column and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iolaus.fleet.document import BadFile, parse_baseline, parse_documents
from iolaus.model.desired import Baseline, json_schema
from tests.fleet.build import BASELINE

SHA = "a" * 64


def read(text: str) -> Baseline:
    (document,) = parse_documents(text, source="b.yaml")
    return parse_baseline(document)


def wrong(text: str) -> list[str]:
    with pytest.raises(BadFile) as caught:
        read(text)
    return caught.value.lines()


def test_a_whole_baseline_is_read_and_is_valid_by_the_schema() -> None:
    found = read(BASELINE)
    assert found.name == "trays-2026.11"
    assert found.spec.firmware.components[1].after == ["bmc"]
    jsonschema.validate(yaml.safe_load(BASELINE), json_schema())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "  firmware:",
            "  firmwear:",
            "b.yaml:6:3: spec.firmwear: this key is not known. Did you mean 'firmware'?",
        ),
        (
            "version: ",
            "versoin: ",
            (
                "b.yaml:9:9: spec.firmware.components[0].versoin: this key is not known. "
                "Did you mean 'version'?"
            ),
        ),
        (
            '"25.09-1"',
            "25.09",
            (
                "b.yaml:9:18: spec.firmware.components[0].version: expected str, this is float. "
                "Put it in quotes: YAML reads it as a number."
            ),
        ),
        (
            "[bmc]",
            "bmc",
            (
                "b.yaml:13:16: spec.firmware.components[1].after: expected array, this is str. "
                "See docs/baselines.md."
            ),
        ),
        (
            "kind: Baseline\n",
            "",
            "b.yaml:1:1: 'kind' is missing. Write kind: there.",
        ),
        (
            "{name: trays-2026.11}",
            "{name: Trays 2026}",
            (
                "b.yaml:3:18: metadata.name: expected str matching regex "
                "'^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$'. "
                "It is written lower case, digits, . and -."
            ),
        ),
    ],
)
def test_one_complaint(before: str, after: str, said: str) -> None:
    assert before in BASELINE
    assert wrong(BASELINE.replace(before, after, 1)) == [said]


def test_all_unknown_keys_are_told_at_once_in_the_order_of_the_file() -> None:
    text = BASELINE.replace("  bios:", "  boss:").replace("ntp:", "ntps:").replace("after", "aftr")
    said = wrong(text)
    assert [line.split(": ")[1] for line in said] == [
        "spec.firmware.components[1].aftr",
        "spec.boss",
        "spec.bmc.ntps",
    ]


def test_all_that_is_of_a_wrong_type_is_told_at_once_each_at_its_place() -> None:
    text = (
        BASELINE.replace('"25.09-1"', "25.09", 1)
        .replace("{name: trays-2026.11}", "{name: Trays 2026}")
        .replace("[bmc]", "bmc")
        .replace("  bios:", "  rollout: {waves: [{max: -1}, {name: b, soak: 5}]}\n  bios:")
    )
    assert [line.split(". ")[0] for line in wrong(text)] == [
        (
            "b.yaml:3:18: metadata.name: expected str matching regex "
            "'^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$'"
        ),
        "b.yaml:9:18: spec.firmware.components[0].version: expected str, this is float",
        "b.yaml:13:16: spec.firmware.components[1].after: expected array, this is str",
        "b.yaml:14:21: spec.rollout.waves[0]: 'name' is missing",
        "b.yaml:14:27: spec.rollout.waves[0].max: expected int >= 1",
        "b.yaml:14:48: spec.rollout.waves[1].soak: expected str, this is int",
    ]


def test_under_a_misspelt_key_what_else_is_wrong_is_told_too() -> None:
    text = BASELINE.replace("  bmc:\n    ntp: [10.0.0.1", "  bcm:\n    ntp: [1, 10.0.0.1")
    assert [line.partition(". ")[0] for line in wrong(text + "  1: 2\n")] == [
        "b.yaml:17:3: spec.bcm: this key is not known",
        "b.yaml:18:11: spec.bcm.ntp[0]: expected str, this is int",
        "b.yaml:20:3: spec.1: this key is not known",
    ]


def test_a_key_that_stands_twice_is_told() -> None:
    (line,) = wrong(BASELINE + "  bmc: {}\n")
    assert line == "b.yaml:20:3: 'bmc' stands here twice. Keep one of them."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "b.yaml:1:1: it is empty. Write a Baseline into it."),
        ("a: [", "expected the node content"),
        ("a: b: c", "b.yaml:1:5: mapping values are not allowed here"),
        ("!!python/object:os.system {}", "could not determine a constructor"),
        ("- 1", "expected object, this is array"),
        ("[" * 400 + "]" * 400, "b.yaml:1:42: it is too large"),
    ],
)
def test_what_is_no_baseline_at_all(text: str, said: str) -> None:
    assert said in wrong(text)[0]


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "it is too large" in wrong("\n".join(lines))[0]


def test_json_is_read_too() -> None:
    assert read(json.dumps(yaml.safe_load(BASELINE))).name == "trays-2026.11"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        for document in parse_documents(text, source="x"):
            parse_baseline(document)
    except BadFile as error:
        assert all(c.line >= 1 and c.column >= 1 and c.next_step for c in error.complaints)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["spec", "metadata", "kind", "selector", "x"]), inner)
    ),
    max_leaves=12,
)


@given(JUNK)
def test_any_shape_is_read_or_refused_with_a_place(value: object) -> None:
    try:
        for document in parse_documents(yaml.safe_dump(value), source="x"):
            parse_baseline(document)
    except BadFile as error:
        assert error.lines()


def test_the_published_schema_is_the_model_s() -> None:
    path = Path(__file__).parents[2] / "docs" / "baseline.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == json_schema()
