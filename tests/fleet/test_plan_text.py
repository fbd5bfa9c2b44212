"""Plans as a person reads them: golden texts, and the world that moved under them.

To write them anew after a change that is meant, run this file with `GOLDEN=write` in the
environment, and then read every line of the difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from iolaus.fleet.changed import diff_text, what_changed
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.plan_text import plan_text
from iolaus.fleet.plan_words import say_duration
from iolaus.model.asset import Firmware
from iolaus.model.plan import Plan
from tests.fleet.build import baseline, firmware
from tests.fleet.planned import (
    ABLE,
    base_of,
    bios,
    changed,
    image,
    kept,
    parts,
    planned,
    rows,
    settings,
    tray,
    want,
)

GOLDEN = Path(__file__).parent / "golden"


def text_of(plan: Plan) -> str:
    """With an id that stays when a plan gets another field."""
    return plan_text(plan).replace(plan.id, "7f3c01a9be42")


def mixed_hall() -> list[NodeFacts]:
    wrong = rows(
        "h1-r{rack}-u{unit}",
        2,
        18,
        firmware=parts(bmc="1.7", bios="2.3", erot="01.04.0030"),
        settings=bios(EgmMode="Enabled", SubNuma="Disabled"),
        manager=settings({"ntp.servers": ("10.9.9.9",), "ntp.enabled": True}),
        labels={"cdu": "c1", "feed": "h1-a,h1-b"},
    )
    right = rows(
        "h2-r{rack}-u{unit}",
        1,
        18,
        firmware=parts(bmc="1.8", bios="2.4", erot="01.04.0031"),
        settings=bios(EgmMode="Disabled", SubNuma="Disabled"),
        manager=settings({"ntp.servers": ("10.0.0.1",), "ntp.enabled": True}),
        labels={"cdu": "c2", "feed": "h1-a,h1-b"},
    )
    return [*wrong, *right]


def mixed() -> str:
    """Firmware of three classes, BIOS and a setting of the controller; one node in order but for
    its BIOS; one component that nothing brings back."""
    hall = mixed_hall()
    hall[-1] = changed(hall[-1], settings=bios(EgmMode="Enabled", SubNuma="Disabled"))
    base = base_of(
        firmware={
            "components": [
                want("erot", "01.04.0031", scheme="suffix", after=["bmc"]),
                want("bmc", "1.8"),
                want("bios", "2.4", after=["bmc"], applyTime="OnReset"),
            ]
        },
        bios={"raw": {"EgmMode": "Disabled"}},
        bmc={"ntp": ["10.0.0.1"]},
        rollout={"limits": {"maxUnavailable": "6%", "perDomain": {"cdu": 2}}},
    )
    images = (
        image("bmc-1.7.fwpkg", bmc="1.7"),
        image("bmc-1.8.fwpkg", bmc="1.8"),
        image("bios-2.3.bin", bios="2.3"),
        image("bios-2.4.bin", bios="2.4"),
        image("erot-31.fwpkg", erot="01.04.0031"),
    )
    return text_of(planned(hall, base, *images))


def staged_only() -> str:
    """Everything that is wanted waits for a restart already; some have a restart to come anyway."""
    waiting = rows("h1-r{rack}-u{unit}", 1, 6, settings=bios(EgmMode=("Enabled", "Disabled")))
    both = rows(
        "h2-r{rack}-u{unit}",
        1,
        2,
        firmware=(*parts(bmc="1.7", bios="2.3"), *staged_bios()),
        settings=bios(EgmMode=("Enabled", "Disabled")),
    )
    base = base_of(
        firmware={"components": [want("bios", "2.4")]}, bios={"raw": {"EgmMode": "Disabled"}}
    )
    return text_of(planned([*waiting, *both], base))


def staged_bios() -> tuple[Firmware, ...]:
    return (firmware("BIOS_staged", "2.4", kind="bios", bank="staged"),)


def blocked() -> str:
    """Each reason for which nothing is done with a node."""
    hall = [
        *rows("h1-r{rack}-u{unit}", 1, 4),
        tray("h2-r01-u01", managed=False),
        tray("h2-r01-u02", managed=False),
        tray("h2-r01-u03", blind="it does not answer since 03:12"),
        tray("h2-r01-u04", capabilities=frozenset({"inventory"})),
        tray("h2-r01-u05", firmware=(firmware("BMC", "1.7", kind="bmc", updateable=False),)),
        tray("h2-r01-u06", firmware=parts(bmc=None)),
        tray("h2-r01-u07", firmware=parts(bmc="1.8", nic=None, erot="1.0")),
        tray("h2-r01-u08", labels={"pool": "lab"}),
        tray("h2-r01-u09", labels={"pool": "old"}),
        tray("h2-r01-u10", firmware=parts(bmc="1.7", bios="2.3"), fields={"power_state": "Off"}),
        tray("h2-r01-u11", firmware=parts(bmc="1.7"), settings=bios(EgmMode=None)),
    ]
    base = base_of(
        firmware={
            "components": [
                want("bmc", "1.8"),
                want("nic", "28.40"),
                want("erot", "1.1", after=["nic"]),
                want("bios", "2.4"),
            ]
        },
        bios={"raw": {"EgmMode": "Disabled"}},
        exceptions=[
            {
                "selector": {"matchLabels": {"pool": "lab"}},
                "items": ["firmware/*", "bios/*"],
                "owner": "lab-team",
                "expires": "2027-01-31",
                "reason": "debug image",
            }
        ],
    )
    hall = [each if each.settings else changed(each, settings=bios(EgmMode="Disabled"))
            for each in hall]  # fmt: skip
    other = baseline("old-pool", {"pool": "old"}, firmware={"components": [want("bmc", "1.6")]})
    images = (image("bmc-1.8.fwpkg", bmc="1.8"), image("bios-2.4.bin", bios="2.4"),
              image("erot-1.1.fwpkg", erot="1.1"))  # fmt: skip
    return text_of(planned(hall, base, *images, baselines=[other]))


def no_image() -> str:
    """An image that is missing, one that is another, and one for another model."""
    hall = [
        *rows("h1-r{rack}-u{unit}", 1, 3, firmware=parts(bmc="1.7")),
        *rows("h2-r{rack}-u{unit}", 1, 3, firmware=parts(bmc="1.8", bios="2.3")),
        *rows("h3-r{rack}-u{unit}", 1, 3, firmware=parts(bmc="1.8", bios="2.4", nic="28.39")),
    ]
    base = base_of(
        firmware={
            "components": [
                want("bmc", "1.8", image={"file": "bmc-1.8.fwpkg", "sha256": "a" * 64}),
                want("bios", "2.4", image={"file": "bios-2.4.bin", "sha256": "b" * 64}),
                want("nic", ">=28.40,<29"),
            ]
        }
    )
    return text_of(planned(hall, base, image("bmc-1.8.fwpkg", bmc="1.8")))


def atomic() -> str:
    """NVLink domains go whole: also into the canary, and not at all if one of theirs cannot."""
    hall = [
        node
        for rack in ("01", "02", "03")
        for node in rows(f"h1-r{rack}-u{{unit}}", 1, 9, labels={"nvlink": f"nv{rack}"})
    ]
    hall[-1] = changed(hall[-1], managed=False)
    base = base_of(
        firmware={"components": [want("bmc", "1.8")]},
        rollout={
            "waves": [
                {"name": "canary", "max": 2, "soak": "1h"},
                {"name": "rest", "batch": "5%"},
            ],
            "limits": {
                "maxUnavailable": 9,
                "maxDarkRacks": 1,
                "perDomain": {"nvlink": "atomic"},
            },
        },
    )
    images = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")
    return text_of(planned(hall, base, *images))


def window_gates_approvals() -> str:
    """All rules at once, on two models in eight racks, with observed times."""
    hall = [
        *rows("h1-r{rack}-u{unit}", 6, 16, labels={"cdu": "c1"}),
        *rows(
            "h2-r{rack}-u{unit}",
            2,
            4,
            labels={"cdu": "c2"},
            fields={"pool": "m1", "model": "m1", "vendor": "Bolt"},
        ),
    ]
    base = base_of(
        firmware={"components": [want("bmc", "1.8", applyTime="OnReset")]},
        rollout={
            "drain": {"adapter": "slurm", "timeout": "6h", "onTimeout": "skip"},
            "window": {"cron": "0 2 * * 2,4", "duration": "4h", "tz": "Europe/Berlin"},
            "waves": [
                {"name": "canary", "max": 4, "soak": "1h"},
                {"name": "ten", "max": "10%", "soak": "30m"},
                {"name": "rest", "batch": "5%"},
            ],
            "limits": {
                "maxUnavailable": "6%",
                "maxDarkRacks": 2,
                "keepPowerRedundancy": "N+1",
                "perDomain": {"cdu": 3},
                "bricks": 0,
            },
            "gates": [
                {"name": "errors", "expr": "failed / attempted < 0.05"},
                {"name": "alarms", "expr": "critical_alarms == 0"},
                {"name": "jobs", "command": ["/usr/local/bin/jobs-are-well", "--strict"]},
            ],
            "approvals": [{"group": "hw-oncall", "count": 1}, {"group": "tenants", "count": 2}],
            "onFailure": {"node": "rollback", "wave": "abort"},
        },
    )
    durations = {("update-firmware", "bmc"): 500.0, ("drain", ""): 1500.0}
    images = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")
    return text_of(planned(hall, base, *images, durations=durations, parent="0a1b2c3d4e5f"))


def downgrade() -> str:
    """What would fall is blocked, and so is what may fall; what is allowed is done."""
    hall = [
        *rows("h1-r{rack}-u{unit}", 1, 4, firmware=parts(bmc="1.9", bios="2.4")),
        *rows("h2-r{rack}-u{unit}", 1, 2, firmware=parts(bmc="1.8", bios="Q4-beta")),
        *rows("h3-r{rack}-u{unit}", 1, 2, firmware=parts(bmc="1.7", bios="2.4")),
    ]
    base = base_of(firmware={"components": [want("bmc", "1.8"), want("bios", "2.4")]})
    images = image("bmc-1.8.fwpkg", bmc="1.8"), image("bios-2.4.bin", bios="2.4")
    return text_of(planned(hall, base, *images))


def power_shelves() -> str:
    """Four shelves carry a rack with three: one may go. Three with three: none. And nobody knows
    of the last."""
    shelves = [
        shelf
        for rack, number, needed in (("r01", 4, "3"), ("r02", 4, "4"), ("r03", 2, ""))
        for shelf in [
            tray(
                f"h1-{rack}-shelf{n}",
                kind="powershelf",
                firmware=parts(bmc="1.7"),
                labels={"power-needed": needed} if needed else {},
            )
            for n in range(1, number + 1)
        ]
    ]
    base = base_of(
        firmware={"components": [want("bmc", "1.8")]},
        rollout={"limits": {"keepPowerRedundancy": "N", "perDomain": {"power": 1}}},
    )
    return text_of(planned(shelves, base, image("bmc-1.8.fwpkg", bmc="1.8")))


def changed_world() -> str:
    """Refused: what moved since, and what the new plan does otherwise."""
    hall = rows("h1-r{rack}-u{unit}", 1, 8, settings=bios(EgmMode="Enabled"))
    base = base_of(
        firmware={"components": [want("bmc", "1.8")]}, bios={"raw": {"EgmMode": "Disabled"}}
    )
    images = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")
    plan = planned(hall, base, *images)
    now = [
        changed(hall[0], firmware=parts(bmc="1.8")),
        changed(hall[1], firmware=parts(bmc="1.8")),
        changed(hall[2], settings=bios(EgmMode="Disabled")),
        changed(hall[3], managed=False),
        changed(hall[4], blind="it does not answer since 03:12"),
        changed(hall[5], labels={"rack": "h1-r09"}),
        hall[7],
        tray("h1-r01-u09", settings=bios(EgmMode="Enabled")),
    ]
    again = planned(now, base, *images, parent=plan.id)
    lines = what_changed(plan, now, kept=kept(base, generation=5))
    refused = [f"Plan {plan.id} does not fit the hall any more:", *(f"  {line}" for line in lines)]
    text = "\n".join([*refused, "", diff_text(plan, again)])
    return text.replace(plan.id, "7f3c01a9be42").replace(again.id, "0b8e5d2247aa")


def large() -> str:
    """A hall: what is folded stays short."""
    hall = rows("h1-r{rack}-u{unit}", 40, 18)
    hall[7] = changed(hall[7], firmware=parts(bmc="1.6"))
    hall[100] = changed(hall[100], firmware=parts(bmc="1.8"))
    base = base_of(
        firmware={"components": [want("bmc", "1.8")]},
        rollout={"limits": {"maxUnavailable": "6%", "maxDarkRacks": 0}},
    )
    images = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")
    return text_of(planned(hall, base, *images))


def ways_back() -> str:
    """Two with a second bank, one of them with an image as well; one that is flashed again; one
    whose other bank holds nothing, and nothing brings back what it has."""
    able = ABLE | {"manager.reset"}
    hall = [
        tray("h1-r01-u01", firmware=banks("1.7", "1.6"), capabilities=able),
        tray("h1-r01-u02", firmware=banks("1.5", "1.7"), capabilities=able),
        tray("h1-r01-u03", firmware=parts(bmc="1.7"), capabilities=able),
        tray("h1-r01-u04", firmware=banks("1.5", None), capabilities=able),
        tray("h1-r01-u05", firmware=banks("1.7", "1.6"), capabilities=ABLE - {"manager.reset"}),
    ]
    base = base_of(firmware={"components": [want("bmc", "1.8")]})
    images = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")
    return text_of(planned(hall, base, *images))


def banks(runs: str, other: str | None) -> tuple[Firmware, ...]:
    manager = "/redfish/v1/Managers/1"
    return (
        firmware("BMC", runs, kind="bmc", booted_by=manager),
        firmware("Backup_BMC", other, kind="bmc", bank="backup", booted_by=manager),
    )


CASES: dict[str, Callable[[], str]] = {
    each.__name__.replace("_", "-"): each
    for each in (mixed, staged_only, blocked, no_image, atomic, window_gates_approvals,
                 downgrade, power_shelves, changed_world, large, ways_back)
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    text, path = CASES[name](), GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_no_line_is_too_wide_or_ends_in_blanks(name: str) -> None:
    lines = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 100 or line != line.rstrip()] == []
    assert len(lines) < 120


def test_the_page_about_roll_outs_shows_a_golden_text() -> None:
    page = (Path(__file__).parents[2] / "docs/rollouts.md").read_text(encoding="utf-8")
    assert f"```text\n{CASES['window-gates-approvals']()}```" in page


def test_a_world_that_has_not_moved_says_nothing() -> None:
    hall = mixed_hall()
    base = base_of(firmware={"components": [want("bmc", "1.8")]})
    plan = planned(hall, base, image("bmc-1.8.fwpkg", bmc="1.8"))
    assert what_changed(plan, hall, kept=kept(base)) == []
    assert diff_text(plan, plan).endswith("nothing differs\n")


def test_plans_that_differ_in_their_rules_only_say_so() -> None:
    hall, firmware_want = mixed_hall(), {"components": [want("bmc", "1.8")]}
    images = (image("bmc-1.8.fwpkg", bmc="1.8"),)
    old = planned(hall, base_of(firmware=firmware_want), *images)
    limits = {"limits": {"maxUnavailable": 2}}
    new = planned(hall, base_of(firmware=firmware_want, rollout=limits), *images)
    assert "only the rules or waves differ" in diff_text(old, new)


def test_a_component_that_is_gone_and_a_value_that_is_not_known_are_told() -> None:
    node = tray("n1", settings=bios(EgmMode="Enabled"))
    base = base_of(
        firmware={"components": [want("bmc", "1.8")]}, bios={"raw": {"EgmMode": "Disabled"}}
    )
    plan = planned([node], base, image("bmc-1.8.fwpkg", bmc="1.8"))
    now = changed(node, firmware=parts(BMC_0="1.7"), settings=bios(EgmMode=None))
    assert what_changed(plan, [now]) == [
        "n1: firmware/BMC is not there now, was 1.7 when this was planned",
        "n1: bios/EgmMode is not known, was Enabled when this was planned",
    ]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "no time"),
        (45.0, "45 s"),
        (450.0, "7 min 30 s"),
        (600.5, "11 min"),
        (3600.0, "1 h"),
        (100_000.0, "1 d 3 h"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, told: str) -> None:
    assert say_duration(seconds) == told
