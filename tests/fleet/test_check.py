"""What types cannot say: each senseless value is found, at its place, with what to do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iolaus.fleet.check import check, read_baselines
from iolaus.fleet.document import BadFile
from iolaus.fleet.export import baseline_from
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.judge import Judge
from iolaus.model.desired import Baseline, SyslogWant
from tests.fleet.build import BASELINE, baseline, firmware, manager, node, setting

SHA = "0" * 64


def components(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"firmware": {"components": list(rows)}}


def row(component: str, version: str = "1", **more: Any) -> dict[str, Any]:
    return {"match": {"component": component}, "version": version, **more}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"selector": {}}, "spec.selector: it selects no node"),
        ({"selector": {"expression": "a=,,"}}, "spec.selector.expression"),
        (components(row("bmc", ">=")), "spec.firmware.components[0].version"),
        (components({"match": {}, "version": "1"}), "it matches every component"),
        (components(row("bmc"), row("bmc")), "'bmc' stands here twice"),
        (
            components(row("bmc", after=["bsoc"])),
            "bmc comes after 'bsoc', and nothing",
        ),
        (
            components(row("a", after=["b"]), row("b", after=["a"])),
            "each other: a after b after a",
        ),
        (components(row("a", image={"sha256": SHA})), "either a file or a uri"),
        (components(row("a", image={"file": "../x", "sha256": SHA})), "has no path"),
        ({"rollout": {"waves": [{"name": "a"}, {"name": "b"}]}}, "only the last wave"),
        ({"rollout": {"waves": [{"name": "a", "max": 1}, {"name": "a"}]}}, "stands here twice"),
        ({"rollout": {"gates": [{"name": "g"}]}}, "either an expression or a command"),
        ({"rollout": {"gates": [{"name": "g", "expr": "fialed < 1"}]}}, "did you mean"),
        ({"rollout": {"window": {"cron": "* *", "duration": "1h"}}}, "spec.rollout.window"),
        ({"rollout": {"window": {"cron": "0 1 * * *", "duration": "1h", "tz": "X/Y"}}}, "zone"),
        (
            {
                "exceptions": [
                    {
                        "selector": {"matchLabels": {"a": "b"}},
                        "items": ["*"],
                        "owner": "o",
                        "expires": "2026-02-30",
                    }
                ]
            },
            "there is no such day",
        ),
    ],
)
def test_what_makes_no_sense_is_told(spec: dict[str, Any], said: str) -> None:
    found = check(baseline(**spec))
    assert [w for w in found if said in f"{w.where}: {w.message}"], found
    assert all(w.next_step.endswith((".", "?")) for w in found)


def test_a_good_one_passes() -> None:
    assert [b.name for b in read_baselines(BASELINE, source="b")] == ["trays-2026.11"]


def test_several_documents_are_read_and_a_wrong_one_has_its_own_lines() -> None:
    second = BASELINE.replace("trays-2026.11", "other")
    both = read_baselines(BASELINE + "---\n" + second, source="b")
    assert [b.name for b in both] == ["trays-2026.11", "other"]
    with pytest.raises(BadFile) as caught:
        read_baselines(BASELINE + "---\n" + second.replace('"25.09-1"', '">="'), source="b")
    assert caught.value.complaints[0].line == 29


def live() -> NodeFacts:
    return node(
        firmware=(
            firmware("BMC", "GB200Nvl-25.08-9", kind="bmc"),
            firmware("NIC_0", "40.46.1006", kind="nic"),
            firmware("NIC_1", "40.46.1006", kind="nic"),
            firmware("GPU_0", "97.10", kind="gpu"),
            firmware("GPU_1", "97.11", kind="gpu"),
            firmware("CPLD", "0.1C", scheme="hex"),
            firmware("Backup_BMC", "1", kind="bmc", bank="backup"),
            firmware("odd", ">=2,3"),
        ),
        settings=(setting("Snc", "On"), setting("Delay", 5), setting("Blank", None)),
        manager=(
            manager("ntp.enabled", True),
            manager("ntp.servers", ("10.0.0.1",)),
            manager("services.ssh", False),
            manager("powerRestorePolicy", "LastState"),
            manager("secureBoot.enabled", True),
            manager("syslog.host", "10.0.0.9"),
            manager("syslog.port", 6514),
            manager("syslog.tls", True),
            manager("accounts.lockoutThreshold", 5),
            manager("boot.order", None, reason="not read"),
        ),
    )


def test_an_exported_node_is_an_applicable_file_that_it_satisfies() -> None:
    facts = live()
    found = baseline_from(facts, name="H1 r01_u09")
    assert found.name == "h1-r01-u09"
    assert check(found) == []
    text = msgspec.yaml.encode(found).decode()
    (again,) = read_baselines(text, source="exported")
    assert again == found
    judged = Judge([again]).judge(facts, now=0.0)
    assert judged is not None
    assert [i for i in judged.items if i.subject != "firmware/odd"] == []
    assert judged.compared >= 12
    assert found.spec.bmc.syslog == SyslogWant(host="10.0.0.9", port=6514, tls=True)
    words = [c.match.component for c in found.spec.firmware.components]
    assert words == ["CPLD", "bmc", "GPU_0", "GPU_1", "nic", "odd"]


def test_export_of_a_node_of_which_nothing_is_known_is_still_a_baseline() -> None:
    bare = node(fields={"name": "n1"}, firmware=(), settings=(), manager=())
    found: Baseline = baseline_from(bare, name="n1")
    assert check(found) == []
    assert found.spec.selector.expression == "n1"


def test_one_class_may_be_wanted_of_each_make_and_a_word_of_several_is_known() -> None:
    spec = components(
        {"match": {"component": "bmc", "vendor": "acme"}, "version": "1"},
        {"match": {"component": "bmc", "vendor": "bolt"}, "version": "2"},
        {"match": {"component": ["bios", "cpld"]}, "version": "3", "after": ["bmc"]},
        row("nic", after=["cpld"]),
    )
    assert check(baseline(**spec)) == []
