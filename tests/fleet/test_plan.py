"""Planning: each node has its fate with the reason, and steps in an order that can be undone."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from iolaus.fleet.facts import NodeFacts
from iolaus.kernel.errors import OperatorMust
from iolaus.model.plan import Domain, Fate, NodePlan, Op, Plan, Step, Verb
from tests.fleet.build import firmware
from tests.fleet.planned import (
    ABLE,
    NOW,
    base_of,
    bios,
    changed,
    image,
    parts,
    planned,
    rows,
    settings,
    tray,
    want,
)

OLD, NEW = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")


def components(*wants: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"firmware": {"components": list(wants), **more}}


def only(plan: Plan) -> NodePlan:
    (node,) = plan.nodes
    return node


def verbs(plan: Plan) -> list[str]:
    return [step.action.verb.value for step in only(plan).steps]


def step_of(plan: Plan, verb: Verb) -> Step:
    return next(step for step in only(plan).steps if step.action.verb is verb)


# --- the same world, the same plan ------------------------------------------------------------


@given(st.integers(0, 1000))
def test_the_same_world_gives_the_same_plan_to_the_digest(seed: int) -> None:
    hall = rows("h1-r{rack}-u{unit}", 3, 4)
    base = base_of(**components(want("bmc", "1.8")))
    shuffled = hall.copy()
    Random(seed).shuffle(shuffled)
    plan = planned(hall, base, OLD, NEW)
    again = planned(shuffled, base, NEW, OLD, now=NOW + 60, made_by="dan")
    assert (again.digest, again.made_by) == (plan.digest, "dan")


def test_a_plan_that_was_kept_and_read_again_is_the_same() -> None:
    hall = rows("r{rack}-u{unit}", 1, 2, manager=settings({"ntp.servers": ("1.1.1.1",)}),
                settings=bios(EgmMode="Enabled"))  # fmt: skip
    base = base_of(
        **components(want("bmc", "1.8")),
        bios={"raw": {"EgmMode": "Disabled"}},
        bmc={"ntp": ["10.0.0.1"]},
    )
    plan = planned(hall, base, OLD, NEW)
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=Plan)
    assert read == plan
    assert read.digest == plan.digest


# --- order ------------------------------------------------------------------------------------


def test_components_in_a_circle_are_named() -> None:
    base = base_of(
        **components(
            want("bmc", "1.8", after=["nic"]), want("erot", "1"), want("nic", "2", after=["bmc"])
        )
    )
    with pytest.raises(OperatorMust, match="bmc after nic after bmc") as raised:
        planned([tray("n1")], base)
    assert raised.value.code == "AfterCircle"


def test_after_what_nothing_is_called_says_what_was_meant() -> None:
    base = base_of(**components(want("bmc", "1.8"), want("erot", "1", after=["bcm"])))
    with pytest.raises(OperatorMust, match="nothing is called so") as raised:
        planned([tray("n1")], base)
    assert "did you mean 'bmc'" in raised.value.next_step


@given(st.permutations(["a", "b", "c", "d", "e"]), st.data())
def test_every_component_comes_after_those_it_names(words: list[str], data: st.DataObject) -> None:
    place = {word: number for number, word in enumerate(sorted(words))}
    wants = [
        want(
            word,
            "2",
            after=data.draw(st.lists(st.sampled_from(sorted(words)[: place[word]]), unique=True))
            if place[word]
            else [],
        )
        for word in words
    ]
    node = tray("n1", firmware=parts(**dict.fromkeys(words, "1")))
    plan = planned(
        [node], base_of(**components(*wants)), image("x.bin", **dict.fromkeys(words, "2"))
    )
    flashed = [s.action.arguments["kind"] for s in only(plan).steps if s.action.verb is Verb.UPDATE]
    assert sorted(flashed) == sorted(words)
    for each in wants:
        component = each["match"]["component"]
        assert all(flashed.index(word) < flashed.index(component) for word in each["after"])


# --- steps ------------------------------------------------------------------------------------


def test_a_controller_that_restarts_by_itself_is_done_when_its_version_is_read() -> None:
    plan = planned([tray("n1")], base_of(**components(want("bmc", "1.8"))), OLD, NEW)
    assert verbs(plan) == ["update-firmware", "wait-healthy"]
    step = step_of(plan, Verb.UPDATE)
    assert step.id == "n1/01-update-bmc"
    assert [(e.subject, e.op, e.value) for e in step.before] == [
        ("firmware/BMC", Op.IS, "1.7"),
        ("endpoint/reachable", Op.IS, True),
    ]
    assert [(e.subject, e.op, e.value) for e in step.after] == [
        ("firmware/BMC", Op.SATISFIES, "1.8")
    ]
    assert [each.budget for each in step.escalate] == ["reset-manager"]
    assert step.undo is not None
    assert (step.undo.arguments["file"], step.undo.arguments["force"]) == ("bmc-1.7.fwpkg", True)


def test_a_scheme_that_was_named_goes_into_what_is_expected() -> None:
    node = tray("n1", firmware=parts(cpld="0.1B"))
    base = base_of(**components(want("cpld", "0.1C", scheme="hex")))
    plan = planned([node], base, image("cpld.bin", cpld="0.1C"))
    found = [e for e in step_of(plan, Verb.RESET).after if e.op is Op.SATISFIES]
    assert [(e.subject, e.value, e.scheme) for e in found] == [("firmware/CPLD", "0.1C", "hex")]


def test_components_share_a_restart_but_not_with_what_comes_after_them() -> None:
    node = tray("n1", firmware=parts(bmc="1.7", bios="2.3", cpld="1", gpu="1"))
    images = image("all.fwpkg", bmc="1.8", bios="2.4", cpld="2", gpu="2"), OLD
    base = base_of(
        **components(
            want("bmc", "1.8", applyTime="OnReset"),
            want("bios", "2.4"),
            want("cpld", "2", reset="powercycle"),
            want("gpu", "2", after=["bios"]),
        )
    )
    plan = planned([node], base, *images)
    assert verbs(plan) == [
        "wait-healthy", "update-firmware", "update-firmware", "update-firmware",
        "reset-manager", "reset", "update-firmware", "reset", "wait-healthy",
    ]  # fmt: skip
    resets = [s.action.arguments["type"] for s in only(plan).steps if s.action.verb is Verb.RESET]
    assert resets == ["PowerCycle", "GracefulRestart"]


def test_undone_backwards_the_reset_comes_after_the_flash_that_it_activates() -> None:
    node = tray("n1", firmware=parts(bios="2.3"))
    base = base_of(**components(want("bios", "2.4")), rollout={"drain": {"adapter": "slurm"}})
    images = image("bios-2.3.bin", bios="2.3"), image("bios-2.4.bin", bios="2.4")
    plan = planned([node], base, *images)
    undone = [step.undo.verb.value for step in reversed(only(plan).steps) if step.undo]
    assert undone == ["drain", "update-firmware", "reset", "undrain"]
    look = only(plan).steps[1]
    assert {e.subject for e in look.undo_after} >= {"firmware/BIOS", "boot/count-or-time"}


def test_without_an_image_that_brings_it_back_there_is_no_way_back() -> None:
    node = tray("n1", firmware=parts(bios="2.3"))
    plan = planned([node], base_of(**components(want("bios", "2.4"))), image("b.bin", bios="2.4"))
    assert verbs(plan) == ["update-firmware", "reset", "wait-healthy"]
    assert step_of(plan, Verb.UPDATE).undo is None


def test_bios_settings_are_written_at_once_and_applied_by_one_restart() -> None:
    node = tray("n1", settings=bios(A="1", B=("1", "2"), C="9"))
    plan = planned([node], base_of(bios={"raw": {"A": "2", "B": "2", "C": "9"}}))
    assert verbs(plan) == ["wait-healthy", "set-bios", "reset", "wait-healthy"]
    written = step_of(plan, Verb.SET_BIOS)
    assert written.action.arguments == {"attributes": {"A": "2", "B": "2"}}
    assert written.undo is not None
    assert written.undo.arguments == {"attributes": {"A": "1", "B": "1"}}
    ladder = [each.verb.value for each in step_of(plan, Verb.RESET).escalate]
    assert ladder == ["set-bios", "reset", "reset-manager", "reset"]


def test_a_host_that_takes_no_graceful_restart_is_restarted_by_force_and_the_text_says_so() -> None:
    able = frozenset({"power.reset", "power.restart.force", "bios"})
    node = tray("n1", settings=bios(A="1"), capabilities=able)
    plan = planned([node], base_of(bios={"raw": {"A": "2"}}))
    reset = step_of(plan, Verb.RESET)
    assert reset.action.arguments["type"] == "ForceRestart"
    assert "by force" in reset.text
    undo = next(step.undo for step in only(plan).steps if step.undo and step.id.endswith("look"))
    assert undo.arguments["type"] == "ForceRestart"
    both = able | {"power.restart.graceful"}
    plan = planned([tray("n1", settings=bios(A="1"), capabilities=both)],
                   base_of(bios={"raw": {"A": "2"}}))  # fmt: skip
    assert step_of(plan, Verb.RESET).action.arguments["type"] == "GracefulRestart"


def test_a_normalised_name_is_written_in_the_words_of_the_make() -> None:
    entry = msgspec.structs.replace(
        bios(ProcVt="Off")[0], normal="iommu", words=(("true", "On"), ("false", "Off"))
    )
    plan = planned([tray("n1", settings=(entry,))], base_of(bios={"normalized": {"iommu": True}}))
    assert step_of(plan, Verb.SET_BIOS).action.arguments == {"attributes": {"ProcVt": "On"}}


def test_secure_boot_waits_for_a_start_and_accounts_have_no_way_back() -> None:
    values = {"secureBoot.enabled": False, "accounts": ("admin", "old"), "services.ssh": True}
    base = base_of(
        bmc={"accounts": {"only": ["admin"]}, "services": {"ssh": False}},
        security={"secureBoot": "required"},
    )
    plan = planned([tray("n1", manager=settings(values))], base)
    told = [(s.action.subject, s.undo is not None) for s in only(plan).steps]
    assert told == [
        ("endpoint/reachable", True),
        ("bmc/secureBoot.enabled", True),
        ("host", False),
        ("bmc/accounts", False),
        ("bmc/services.ssh", True),
        ("health", False),
    ]


def test_each_manager_that_shows_a_setting_is_written_to_and_read_back_by_itself() -> None:
    (servers,) = settings({"ntp.servers": ("10.9.9.9",)})
    (on,) = settings({"ntp.enabled": True})
    other = replace(servers, uri="/redfish/v1/Managers/2")
    base = base_of(bmc={"ntp": ["10.0.0.1"]})
    plan = planned([tray("n1", manager=(servers, other, on))], base)
    steps = [s for s in only(plan).steps if s.action.verb is Verb.SET_MANAGER]
    assert [s.action.arguments["uri"] for s in steps] == [servers.uri, other.uri]
    spots = [f"bmc/ntp.servers@{each.uri}" for each in (servers, other)]
    assert [s.after[0].subject for s in steps] == spots
    assert [s.before[0].subject for s in steps] == spots
    assert all(s.undo is not None for s in steps)
    alone = planned([tray("n1", manager=(servers, on))], base)
    assert only(alone).steps[0].after[0].subject == "bmc/ntp.servers"


def test_parts_that_are_alike_are_flashed_at_once_and_supplies_one_by_one() -> None:
    gpus = tuple(firmware(f"GPU_{n}", "1", kind="gpu") for n in range(8))
    psus = tuple(firmware(f"PSU_{n}", "1", kind="psu") for n in range(2))
    node = tray("n1", firmware=(*gpus, *psus))
    base = base_of(**components(want("gpu", "2"), want("psu", "2")))
    plan = planned([node], base, image("x.bin", gpu="2", psu="2"))
    updates = [s for s in only(plan).steps if s.action.verb is Verb.UPDATE]
    assert [len(s.action.arguments["components"]) for s in updates] == [8, 1, 1]
    assert updates[0].action.arguments["targets"] == [f"/fw/GPU_{n}" for n in range(8)]


def test_what_the_device_holds_is_begun_in_our_window() -> None:
    base = base_of(**components(want("bmc", "1.8", applyTime="AtMaintenanceWindowStart")))
    plan = planned([tray("n1")], base, OLD, NEW)
    assert verbs(plan)[:3] == ["wait-healthy", "update-firmware", "activate-firmware"]
    update = step_of(plan, Verb.UPDATE)
    assert update.undo is not None
    told = [each.arguments["apply_time"] for each in (update.action, update.undo)]
    assert told == ["OnStartUpdateRequest", "Immediate"]


@pytest.mark.parametrize(
    ("health", "wanted"),
    [("OK", [("is", "OK")]), ("Warning", [("is-not", "Critical")]), (None, [])],
)
def test_a_node_has_to_be_as_healthy_as_it_was(health: str | None, wanted: list[Any]) -> None:
    node = tray("n1", fields={"health": health})
    plan = planned([node], base_of(**components(want("bmc", "1.8"))), NEW)
    after = step_of(plan, Verb.WAIT_HEALTHY).after
    assert [(e.op.value, e.value) for e in after if e.subject == "health"] == wanted


# --- fates ------------------------------------------------------------------------------------


def fate(node: NodeFacts, *images: Any, **spec: Any) -> tuple[Fate, str]:
    found = only(planned([node], base_of(**spec), *images))
    return found.fate, found.reason


def test_the_newest_image_that_brings_what_is_wanted_is_taken() -> None:
    images = image("a.bin", bmc="1.8"), image("b.bin", bmc="1.10"), image("c.bin", bmc="2.0")
    plan = planned([tray("n1")], base_of(**components(want("bmc", ">=1.8,<2"))), *images)
    assert step_of(plan, Verb.UPDATE).action.arguments["file"] == "b.bin"


def test_an_image_that_the_device_fetches_needs_no_file_here() -> None:
    wanted = want("bmc", "1.8", image={"uri": "https://images/bmc.fwpkg", "sha256": "a" * 64})
    arguments = step_of(planned([tray("n1")], base_of(**components(wanted))), Verb.UPDATE).action
    assert arguments.arguments["uri"] == "https://images/bmc.fwpkg"
    assert arguments.arguments["version"] == "1.8"


def test_an_image_that_brings_something_else_is_none() -> None:
    wanted = want("bmc", "1.8", image={"file": NEW.file, "sha256": NEW.sha256})
    wrong = msgspec.structs.replace(NEW, versions={"bmc": "1.6"})
    found = fate(tray("n1"), wrong, **components(wanted))
    assert found == (Fate.NO_IMAGE, "bmc-1.8.fwpkg brings 1.6, and 1.8 is wanted")


def test_a_range_tells_a_downgrade_even_without_the_image_s_version() -> None:
    def wanted(version: str) -> dict[str, Any]:
        return want("bmc", version, image={"uri": "https://i/x", "sha256": "a" * 64})

    falls = fate(tray("n1"), **components(wanted(">=1.0,<1.5")))
    assert falls == (Fate.BLOCKED, "BMC would fall from 1.7 to >=1.0,<1.5")
    assert fate(tray("n1"), **components(wanted(">=1.8")))[0] is Fate.UPDATE
    allowed = components(wanted("<1.5"), allowDowngrade=True)
    assert fate(tray("n1"), **allowed)[0] is Fate.UPDATE


def test_a_node_whose_work_is_longer_than_the_window_never_starts() -> None:
    rollout = {"window": {"cron": "0 2 * * *", "duration": "5m"}}
    found = fate(tray("n1"), NEW, **components(want("bmc", "1.8")), rollout=rollout)
    assert found == (Fate.BLOCKED, "it takes 10 min, and the window is open for 5 min")


def test_a_restart_that_is_needed_and_not_offered_blocks() -> None:
    node = tray("n1", firmware=parts(bios="2.3"), capabilities=ABLE - {"power.reset"})
    found = fate(node, image("b.bin", bios="2.4"), **components(want("bios", "2.4")))
    assert found == (Fate.BLOCKED, "it shows no power.reset, which reset needs")


def test_a_rack_that_may_not_go_dark_keeps_its_only_node() -> None:
    limits = {"limits": {"maxDarkRacks": 0}}
    found = fate(tray("r7-u1"), NEW, **components(want("bmc", "1.8")), rollout=limits)
    assert found[0] is Fate.BLOCKED
    assert "it would be the last of rack r7" in found[1]


def test_an_atomic_domain_that_no_limit_lets_go_is_blocked() -> None:
    hall = rows("r{rack}-u{unit}", 1, 4, labels={"nvlink": "nv1"})
    limits = {"limits": {"maxUnavailable": 3, "perDomain": {"nvlink": "atomic"}}}
    plan = planned(hall, base_of(**components(want("bmc", "1.8")), rollout=limits), NEW)
    reasons = {node.reason for node in plan.nodes}
    assert reasons == {"0 nodes are away, 4 must go together, and 3 may be"}
    assert plan.waves == ()


def test_a_shelf_never_goes_where_nobody_knows_what_it_feeds() -> None:
    limits = {"limits": {"keepPowerRedundancy": "N"}}
    shelf = changed(tray("s1", kind="powershelf"), labels={}, fields={"model": "m1"})
    spec = {**components(want("bmc", "1.8")), "rollout": limits}
    assert fate(shelf, NEW, **spec) == (
        Fate.BLOCKED, "what it feeds is not known, and so what is left without it"
    )  # fmt: skip
    assert fate(shelf, NEW, **components(want("bmc", "1.8")))[0] is Fate.UPDATE


def test_the_supplies_of_a_node_are_its_own_power_group() -> None:
    psus = tuple(firmware(f"PSU_{n}", "1", kind="psu") for n in range(6))
    limits = {"limits": {"keepPowerRedundancy": "N+1"}}
    spec = {**components(want("psu", "2")), "rollout": limits}
    images = (image("p.bin", psu="2"),)
    told = {
        needed: fate(tray("n1", firmware=psus, labels={"power-needed": needed}), *images, **spec)[0]
        for needed in ("4", "5", "many")
    }
    assert told == {"4": Fate.UPDATE, "5": Fate.BLOCKED, "many": Fate.BLOCKED}


def test_a_gate_with_a_typing_error_stops_a_person_and_not_a_roll_out() -> None:
    gates = {"gates": [{"name": "errors", "expr": "faild / attempted < 0.05"}]}
    with pytest.raises(OperatorMust, match='did you mean "failed"'):
        planned([tray("n1")], base_of(**components(want("bmc", "1.8")), rollout=gates), NEW)


# --- estimates and domains --------------------------------------------------------------------


def test_estimates_are_what_was_observed_of_the_same_class() -> None:
    base = base_of(**components(want("bmc", "1.8")))
    durations = {("update-firmware", "bmc"): 100.0, ("wait-healthy", ""): 7.0}
    plan = planned([tray("n1")], base, NEW, durations=durations)
    assert only(plan).estimate_s == 107.0


def test_domains_come_from_labels_and_a_node_may_stand_in_two_of_a_kind() -> None:
    node = tray("n1", labels={"rack": "r1", "feed": "a, b", "leaf": "l1"})
    shelf = tray("s1", kind="powershelf", labels={"rack": "r1", "power-needed": "1"})
    plan = planned([node], base_of(**components(want("bmc", "1.8"))), NEW, others=[shelf])
    assert set(only(plan).domains) == {
        Domain(kind="rack", name="r1"), Domain(kind="feed", name="a"),
        Domain(kind="feed", name="b"), Domain(kind="leaf", name="l1"),
        Domain(kind="power", name="r1"),
    }  # fmt: skip


# --- waves ------------------------------------------------------------------------------------


def waves(hall: list[NodeFacts], **rollout: Any) -> list[tuple[str, list[str], int | None]]:
    base = base_of(**components(want("bmc", "1.8")), rollout=rollout)
    plan = planned(hall, base, NEW)
    names = {node.uid: node.name for node in plan.nodes}
    return [(w.name, [names[uid] for uid in w.nodes], w.batch) for w in plan.waves]


def test_canaries_are_of_every_model_and_from_different_racks() -> None:
    hall = [
        *rows("a-r{rack}-u{unit}", 3, 6),
        *rows("b-r{rack}-u{unit}", 1, 4, fields={"vendor": "Bolt"}),
        *rows("c-r{rack}-u{unit}", 1, 2, fields={"vendor": "Cog"}),
    ]
    (name, canaries, _), *_ = waves(hall, waves=[{"name": "canary", "max": 5}])
    assert (name, canaries) == ("canary", ["a-r01-u01", "b-r01-u01", "c-r01-u01", "a-r02-u01",
                                           "b-r01-u02"])  # fmt: skip


def test_without_any_waves_there_are_three() -> None:
    found = waves(rows("r{rack}-u{unit}", 10, 10))
    assert [(name, len(nodes), batch) for name, nodes, batch in found] == [
        ("canary", 1, None), ("ten", 10, None), ("rest", 89, 5)
    ]  # fmt: skip


def test_whoever_the_waves_leave_goes_in_one_more() -> None:
    found = waves(rows("r{rack}-u{unit}", 1, 6), waves=[{"name": "rest", "max": 2}])
    assert [(name, len(nodes)) for name, nodes, _ in found] == [("rest", 2), ("rest-2", 4)]


def test_nodes_that_come_next_stand_apart() -> None:
    hall = [
        each
        for rack in range(1, 5)
        for each in rows(f"r{rack}-u{{unit}}", 1, 3, labels={"cdu": f"c{rack % 2}"})
    ]
    ((_, nodes, _),) = waves(hall, waves=[{"name": "all"}], limits={"perDomain": {"cdu": 2}})
    racks = [name[:2] for name in nodes]
    assert racks[:4] == ["r1", "r2", "r3", "r4"] or len(set(racks[:4])) == 4


@given(st.integers(1, 30), st.integers(1, 40), st.sampled_from([1, 3, "10%", "50%"]))
def test_every_node_is_in_exactly_one_wave(racks: int, most: int, batch: Any) -> None:
    hall = rows("r{rack}-u{unit}", min(racks, 6), 3)
    found = waves(hall, waves=[{"name": "canary", "max": most}, {"name": "rest", "batch": batch}])
    names = [name for _, nodes, _ in found for name in nodes]
    assert sorted(names) == sorted(each.name for each in hall)
    assert all(nodes for _, nodes, _ in found)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 12))
def test_atomic_domains_are_never_split(racks: int, units: int, most: int) -> None:
    hall = [
        each
        for rack in range(racks)
        for each in rows(f"r{rack}-u{{unit}}", 1, units, labels={"nvlink": f"nv{rack}"})
    ]
    found = waves(
        hall,
        waves=[{"name": "canary", "max": most}, {"name": "rest", "batch": 1}],
        limits={"perDomain": {"nvlink": "atomic"}},
    )
    for _, nodes, batch in found:
        domains = {name[:2] for name in nodes}
        assert len(nodes) == len(domains) * units
        assert batch is None or batch >= units


def test_a_node_is_planned_alone_as_it_is_among_others() -> None:
    """What is alike is worked out once; nothing that matters may be taken for alike."""
    flat = bios(EgmMode="Enabled")
    variants: list[dict[str, Any]] = [
        {},
        {"fields": {"health": "Warning"}},
        {"fields": {"power_state": "Off"}},
        {"fields": {"vendor": "Bolt"}},
        {"capabilities": ABLE - {"update.multipart"}},
        {"managed": False},
        {"kind": "switch"},
        {"firmware": parts(bmc="1.6", bios="2.3")},
        {"firmware": tuple(changed_kind(e) for e in parts(bmc="1.7", bios="2.3"))},
        {"settings": bios(EgmMode=("Enabled", "Disabled"))},
        {"settings": bios(EgmMode="Other")},
        {"manager": settings({"ntp.servers": ("8.8.8.8",), "ntp.enabled": True})},
    ]
    given_all = {"firmware": parts(bmc="1.7", bios="2.3"), "settings": flat}
    hall = [tray(f"n{n:02}", **{**given_all, **more}) for n, more in enumerate(variants)]
    hall += [tray(f"m{n:02}", **{**given_all, **more}) for n, more in enumerate(variants)]
    base = base_of(
        **components(want("bmc", "1.8"), want("bios", "2.4")),
        bios={"raw": {"EgmMode": "Disabled"}},
        bmc={"ntp": ["10.0.0.1"]},
        rollout={"drain": {"adapter": "slurm"}},
    )
    images = OLD, NEW, image("bios-2.4.bin", bios="2.4"), image("rot.bin", erot="1")
    together = {node.name: node for node in planned(hall, base, *images).nodes}
    for each in hall:
        assert only(planned([each], base, *images)) == together[each.name]


def changed_kind(entry: Any) -> Any:
    return msgspec.structs.replace(entry, updateable=False)
