"""Slurm's drains: what is read, what is judged, and that nobody else's reason is touched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.fleet.drain.port import Drained, DrainPhase, DrainTarget
from iolaus.fleet.drain.slurm import (
    PREFIX,
    SlurmDrains,
    SlurmNode,
    judge_node,
    mark_of,
    parse_nodes,
    parse_text,
    slurm_error,
)
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, OperatorMust
from tests.examples import examples

TEXT = """NodeName=gpu-12 Arch=x86_64 CoresPerSocket=64
   CPUAlloc=0 CPUEfctv=128 CPUTot=128 CPULoad=0.02
   AvailableFeatures=gpu,h100
   Gres=gpu:h100:8(S:0-1)
   NodeAddr=gpu-12 NodeHostName=gpu-12 Version=23.02.6
   OS=Linux 5.14.0 #1 SMP State=DOWN
   RealMemory=1031000 AllocMem=0 FreeMem=1020000 Sockets=2 Boards=1
   State=IDLE+DRAIN+NOT_RESPONDING ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A
   Partitions=train
   Reason=iolaus: plan 7f State=MIXED [root@2026-11-21T10:00:00]
   Comment=State=ALLOCATED NodeName=gpu-13

"""
DRAINED = frozenset({"IDLE", "DRAIN"})


def test_what_scontrol_prints_for_people() -> None:
    node = parse_text(TEXT, "gpu-12")
    assert node == SlurmNode(
        name="gpu-12",
        states=frozenset({"IDLE", "DRAIN", "NOT_RESPONDING"}),
        reason="iolaus: plan 7f State=MIXED",
    )
    assert parse_text(TEXT, "gpu-13") is None
    assert parse_text(TEXT + TEXT, "gpu-12") is None, "two nodes are none"
    busy = parse_text(TEXT.replace("CPUAlloc=0", "CPUAlloc=8"), "gpu-12")
    assert busy is not None
    assert busy.allocated


@pytest.mark.parametrize(
    ("state", "states"),
    [
        ({"state": ["IDLE", "DRAIN"]}, DRAINED),
        ({"state": "idle", "state_flags": ["DRAIN"]}, DRAINED),
        ({"state": "IDLE+DRAIN"}, DRAINED),
        ({"state": "drained*"}, DRAINED),
        ({"state": "draining"}, {"ALLOCATED", "DRAIN"}),
        ({"state": ["IDLE*", 3, None, "\x1b[31m"]}, {"IDLE", "ODD"}),
    ],
)
def test_states_in_the_spelling_of_every_version(
    state: dict[str, Any], states: frozenset[str]
) -> None:
    node = parse_nodes({"nodes": [{"name": "n2"}, {"name": "n1", **state}]}, "n1")
    assert node is not None
    assert node.states == states


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"nodes": None},
        {"nodes": [None]},
        {"nodes": [{"name": "other", "state": ["IDLE", "DRAIN"]}]},
        {"nodes": [{"name": "n1"}]},
        {"nodes": [{"name": "n1", "state": None, "reason": 3}]},
    ],
)
def test_a_node_that_is_not_there_or_says_no_state(document: Any) -> None:
    assert parse_nodes(document, "n1") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=10) | st.just("n1"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["nodes", "name", "state", "state_flags", "reason", "alloc_cpus"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(json_values, st.lists(st.dictionaries(st.sampled_from(["name", "state"]), json_values)))
@settings(max_examples=examples(80, 200))
def test_any_document_is_read_or_not(document: Any, nodes: list[Any]) -> None:
    for each in (document, {"nodes": nodes}):
        node = parse_nodes(each, "n1")
        assert node is None or node.states


@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(["NodeName=n1", "State=", "IDLE+DRAIN", " ", "\n", "Reason=", "=", "[a@b]"])
    ).map("".join)
)
@settings(max_examples=examples(100, 300))
def test_any_text_is_read_or_not(text: str) -> None:
    node = parse_text(text, "n1")
    assert node is None or node.states


@pytest.mark.parametrize(
    ("states", "jobs", "phase"),
    [
        ("IDLE DRAIN", None, "drained"),
        ("IDLE DRAIN", (), "drained"),
        ("IDLE DRAIN", ("7",), "draining"),
        ("DOWN DRAIN NOT_RESPONDING", (), "drained"),
        ("ALLOCATED DRAIN", None, "draining"),
        ("MIXED DRAIN", (), "draining"),
        ("IDLE DRAIN COMPLETING", (), "draining"),
        ("IDLE DRAIN REBOOT_ISSUED", (), "draining"),
        ("IDLE", (), "refused"),
        ("ALLOCATED", ("7",), "refused"),
        ("UNKNOWN DRAIN", (), "unknown"),
        ("FUTURE DRAIN", None, "unknown"),
        ("DRAIN", None, "unknown"),
        ("DRAIN ODD", None, "unknown"),
    ],
)
def test_only_a_node_where_nothing_runs_is_drained(
    states: str, jobs: tuple[str, ...] | None, phase: str
) -> None:
    node = SlurmNode(name="n1", states=frozenset(states.split()))
    assert judge_node(node, jobs).phase == phase


@given(
    st.sets(
        st.sampled_from(["IDLE", "DOWN", "ALLOCATED", "MIXED", "DRAIN", "COMPLETING", "UNKNOWN"])
    )
)
def test_drained_is_never_said_of_a_busy_or_a_free_node(states: set[str]) -> None:
    busy = SlurmNode(name="n1", states=frozenset(states), allocated=True)
    assert judge_node(busy, None).phase is not DrainPhase.DRAINED
    node = SlurmNode(name="n1", states=frozenset(states))
    if judge_node(node, None).phase is DrainPhase.DRAINED:
        assert "DRAIN" in states
        assert not states & {"ALLOCATED", "MIXED", "COMPLETING"}


def test_marks_are_one_plain_line_and_stay_apart() -> None:
    assert mark_of("plan 7f wave canary") == "iolaus: plan 7f wave canary"
    odd = mark_of('plan "7f"\nreason=x [root@now]')
    assert odd.startswith("iolaus: plan 7f reason=x root@now #")
    assert mark_of("plan\t1") != mark_of("plan 1") != mark_of("plan\n1")
    assert len(mark_of("x" * 5000)) < 250
    with pytest.raises(OperatorMust):
        mark_of("\n\x00")


@given(st.text(min_size=1, max_size=300))
def test_a_mark_survives_every_way_of_reading_it(reason: str) -> None:
    try:
        mark = mark_of(reason)
    except OperatorMust:
        return
    text = f"NodeName=n1\n   State=IDLE+DRAIN\n   Reason={mark} [root@2026-11-21T10:00:00]\n"
    by_text = parse_text(text, "n1")
    by_json = parse_nodes({"nodes": [{"name": "n1", "state": ["IDLE"], "reason": mark}]}, "n1")
    assert by_text is not None
    assert by_json is not None
    assert by_text.reason == by_json.reason == mark


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("slurm_update error: Access/permission denied", OperatorMust),
        ("slurm_update error: Invalid user id", OperatorMust),
        ("Protocol authentication error", OperatorMust),
        ("slurm_update error: Invalid node name specified", OperatorMust),
        ("Node gpu-12 not found", OperatorMust),
        ("Unable to contact slurm controller (connect failure)", DeviceSilent),
        ("Socket timed out on send/recv operation", DeviceSilent),
        ("Zero Bytes were transmitted or received", DeviceSilent),
        ("Invalid node state specified", DeviceRefused),
    ],
)
def test_whose_fault_a_message_is(said: str, kind: type[Exception]) -> None:
    assert type(slurm_error(said, operation="drain", subject="n1")) is kind


class MemorySlurm:
    """Slurm in memory; `crash` lets the next write happen ("after") or not ("before") and then
    dies. Whatever it is told is done, so a wrong word would be seen."""

    def __init__(self) -> None:
        self.states, self.reason, self.busy, self.crash = {"IDLE"}, "", False, ""
        self.writes: list[tuple[str | None, str | None]] = []
        self.overwritten: list[str] = []

    async def read(self, name: str) -> SlurmNode:
        return SlurmNode(
            name=name, states=frozenset(self.states), reason=self.reason, allocated=self.busy
        )

    async def jobs(self, _: str) -> tuple[str, ...] | None:
        return ("1",) if self.busy else ()

    async def update(self, name: str, *, state: str | None, reason: str | None) -> None:
        crash, self.crash = self.crash, ""
        if crash != "before":
            self.writes.append((state, reason))
            if reason is not None and self.reason and not self.reason.startswith(PREFIX):
                self.overwritten.append(self.reason)
            if state == "DRAIN":
                assert reason, "Slurm wants a reason"
                self.states |= {"DRAIN"}
            if state == "UNDRAIN":
                self.states -= {"DRAIN"}
            if reason is not None:
                self.reason = reason
        if crash:
            raise DeviceSilent("cut", operation="update", subject=name)

    async def aclose(self) -> None:
        return

    def others(self, word: str) -> None:
        """Another administrator at work."""
        if word == "drain":
            self.states |= {"DRAIN"}
            self.reason = "bad DIMM"
        elif word == "resume":
            self.states -= {"DRAIN"}
            self.reason = ""
        elif word == "down":
            self.states = {"DOWN"} | (self.states & {"DRAIN"})
            self.reason = self.reason or "Not responding"
        elif word == "note":
            self.reason = "ask Kim"
        elif word == "job":
            self.busy = not self.busy


words = st.lists(
    st.sampled_from(
        ["begin", "state", "undo", "crash-before", "crash-after", "drain", "resume", "down", "note",
         "job"]
    ),
    max_size=14,
)  # fmt: skip


@given(words)
@settings(max_examples=examples(150, 500), deadline=None)
def test_whatever_others_do_we_take_nothing_from_them(script: list[str]) -> None:
    asyncio.run(_play(script))


async def _play(script: list[str]) -> None:
    slurm = MemorySlurm()
    drains = SlurmDrains("slurm", slurm, clock=JumpClock(), by="name")
    target = DrainTarget(uid="u", name="gpu-12")
    drained: Drained | None = None
    for word in script:
        before = (set(slurm.states), slurm.reason)
        foreign = bool(slurm.reason) and not slurm.reason.startswith(PREFIX)
        if word.startswith("crash"):
            slurm.crash = word.removeprefix("crash-")
            continue
        try:
            if word == "begin":
                drained = await drains.begin(target, reason="plan 7f")
            elif word == "state" and drained:
                state = await drains.state(target, drained)
                if state.phase is DrainPhase.DRAINED:
                    assert "DRAIN" in slurm.states
                    assert not slurm.busy
            elif word == "undo" and drained:
                await drains.undo(target, drained)
                assert slurm.reason != mark_of("plan 7f")
            else:
                slurm.others(word)
                continue
        except (DeviceSilent, DeviceRefused):
            pass
        if foreign or word == "state":
            assert (slurm.states, slurm.reason) == before
        assert {"IDLE", "DOWN"} & slurm.states == {"IDLE", "DOWN"} & before[0]
    assert slurm.overwritten == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("base", ["IDLE", "DOWN"])
async def test_struck_at_its_writes_a_node_is_given_back_as_it_was(when: str, base: str) -> None:
    slurm = MemorySlurm()
    slurm.states = {base}
    target = DrainTarget(uid="u", name="gpu-12")
    drains = SlurmDrains("slurm", slurm, clock=JumpClock(), by="name")
    slurm.crash = when
    with pytest.raises(DeviceSilent):
        await drains.begin(target, reason="plan 7f")
    drained = await drains.begin(target, reason="plan 7f")
    assert [state for state, _ in slurm.writes] == ["DRAIN"]
    for _ in range(2):
        slurm.crash = when
        with pytest.raises(DeviceSilent):
            await drains.undo(target, drained)
        slurm.crash = ""
        if when == "before":
            break
    await drains.undo(target, drained)
    assert (slurm.states, slurm.reason) == ({base}, "")
    assert [state for state, _ in slurm.writes if state] == ["DRAIN", "UNDRAIN"]


async def test_a_node_of_another_plan_of_ours_is_held() -> None:
    slurm = MemorySlurm()
    drains = SlurmDrains("slurm", slurm, clock=JumpClock(), by="name")
    target = DrainTarget(uid="u", name="gpu-12")
    first = await drains.begin(target, reason="plan 1")
    with pytest.raises(DeviceRefused) as caught:
        await drains.begin(target, reason="plan 2")
    assert caught.value.code == "DrainHeld"
    other = Drained(adapter="slurm", uid="u", node="gpu-12", reason="plan 2", at=0.0)
    await drains.undo(target, other)
    assert slurm.reason == "iolaus: plan 1"
    await drains.undo(target, first)
    slurm.reason = "iolaus: plan 1"
    assert (await drains.begin(target, reason="plan 2")).did == ("drain",), "a mark left behind"


@pytest.mark.parametrize("name", ["ALL", "all", "gpu-[1-9]", "a,b", "-f", "../x", "", "a b", "a\n"])
async def test_names_that_mean_more_than_one_node_are_refused(name: str) -> None:
    slurm = MemorySlurm()
    drains = SlurmDrains("slurm", slurm, clock=JumpClock(), by="name")
    with pytest.raises(OperatorMust) as caught:
        await drains.begin(DrainTarget(uid="u", name=name), reason="plan 1")
    assert caught.value.code == "DrainNodeUnnamed"
    assert slurm.writes == []
