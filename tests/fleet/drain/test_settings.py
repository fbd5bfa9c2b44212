"""Settings of drains: strict, with what was probably meant, and each opens what it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iolaus.fleet.drain.kubernetes import KubernetesDrains
from iolaus.fleet.drain.kubernetes_objects import MARK, read_mark
from iolaus.fleet.drain.manual import ManualDrains, ManualMark, ManualWord
from iolaus.fleet.drain.port import Drained, DrainPhase, Drains, DrainTarget, name_there
from iolaus.fleet.drain.settings import ManualSettings, open_drains, read_drains
from iolaus.fleet.drain.slurm import SlurmDrains
from iolaus.fleet.drain.webhook import WebhookDrains
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust

FILE = """
slurm: {adapter: scontrol, conf: /etc/slurm/slurm.conf}
slurm-rest: {adapter: slurmrestd, url: "https://slurm:6820", tokenFile: /etc/iolaus/jwt}
k8s: {adapter: kubernetes, node: "label:k8s", timeout: 1m, waitForJobs: true}
ours: {adapter: webhook, url: "http://h/drain", secretFile: /etc/iolaus/key, allowHttp: true}
people: {adapter: manual}
"""


async def silent(_uid: str, _reason: str) -> ManualMark | None:
    """Nobody says anything."""
    return None


def test_each_opens_what_it_names() -> None:
    found = read_drains(yaml.safe_load(FILE), source="drains.yaml")
    opened: dict[str, Drains] = {
        name: open_drains(each, name=name, clock=JumpClock(), marks=silent)
        for name, each in found.items()
    }
    kinds = [type(each) for each in opened.values()]
    assert kinds == [SlurmDrains, SlurmDrains, KubernetesDrains, WebhookDrains, ManualDrains]
    assert [each.name for each in opened.values()] == list(found)


def test_the_page_shows_settings_that_are_so() -> None:
    page = (Path(__file__).parents[3] / "docs" / "drains.md").read_text(encoding="utf-8")
    example, role = (block.split("```")[0] for block in page.split("```yaml")[1:])
    assert set(read_drains(yaml.safe_load(example), source="page")) == {
        "slurm",
        "rest",
        "k8s",
        "ours",
        "people",
    }
    assert [rule["resources"] for rule in yaml.safe_load(role)["rules"]] == [
        ["nodes"],
        ["pods"],
        ["pods/eviction"],
    ]
    (mark,) = [line for line in page.splitlines() if line.strip().startswith(MARK)]
    assert read_mark(next(iter(yaml.safe_load(mark).values()))) is not None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"adapter": "kubernets"}, 'did you mean "kubernetes"'),
        ({"adapter": "kubernetes", "tokenfile": "x"}, 'did you mean "tokenFile"'),
        ({"adapter": "scontrol", "url": "https://x"}, "unknown field `url`"),
        ({"adapter": "slurmrestd", "url": "https://x"}, "tokenFile"),
        ({"adapter": "slurmrestd", "url": "x", "tokenFile": "t"}, "no address"),
        ({"adapter": "slurmrestd", "url": "http://x", "tokenFile": "t"}, "allowHttp"),
        ({"adapter": "slurmrestd", "url": "https://x", "tokenFile": "t", "version": "41"}, "match"),
        ({"adapter": "slurmrestd", "url": "https://x", "tokenFile": "t", "user": "a\n"}, "match"),
        ({"adapter": "webhook", "url": "https://x", "secretFile": "t", "pollUrl": "y"}, "address"),
        ({"adapter": "manual", "timeout": "0s"}, "time-out"),
        ({"adapter": "manual", "timeout": "soon"}, "match"),
        ({"adapter": "manual", "node": "labels:x"}, "match"),
        ({"url": "https://x"}, "adapter"),
        ([], "object"),
        (None, "object"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_do(entry: Any, words: str) -> None:
    with pytest.raises(OperatorMust) as caught:
        read_drains({"one": entry}, source="drains.yaml")
    assert words in str(caught.value)
    assert caught.value.next_step


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["adapter", "url", "node", "timeout", "conf", "tokenFile", "x"]),
            inner | st.sampled_from(["manual", "scontrol", "kubernetes", "30s", "https://h"]),
        )
    ),
    max_leaves=8,
)


@given(values | st.dictionaries(st.sampled_from(["a", "B", ""]), values))
def test_any_file_is_read_or_refused(value: Any) -> None:
    try:
        read_drains(value, source="drains.yaml")
    except OperatorMust as error:
        assert error.next_step


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ("hostname", "gpu-12.hall.example"),
        ("short-hostname", "gpu-12"),
        ("name", "h1-r07-u12"),
        ("label:k8s", "gpu-12"),
    ],
)
def test_what_the_scheduler_calls_a_node(target: DrainTarget, by: str, name: str) -> None:
    assert name_there(target, by) == name


@pytest.mark.parametrize("by", ["hostname", "short-hostname", "label:other", "label:name"])
def test_a_name_is_never_guessed(by: str) -> None:
    nameless = DrainTarget(uid="u", name="h1-r07-u12", labels={"other": "a/../b"})
    with pytest.raises(OperatorMust) as caught:
        name_there(nameless, by)
    assert "node:" in caught.value.next_step


async def test_people_drain_by_saying_so(target: DrainTarget) -> None:
    marks: dict[tuple[str, str], ManualMark] = {}

    async def said(uid: str, reason: str) -> ManualMark | None:
        return marks.get((uid, reason))

    drains = open_drains(
        ManualSettings(),
        name="people",
        clock=JumpClock(),
        marks=said,
    )
    drained = await drains.begin(target, reason="plan 7f")
    assert await drains.begin(target, reason="plan 7f") == drained
    state = await drains.state(target, drained)
    assert (state.phase, drained.did) == (DrainPhase.DRAINING, ())
    assert "h1-r07-u12" in state.detail
    marks["0f3a", "plan 6e"] = ManualMark(word=ManualWord.DONE, by="kim")
    assert (await drains.state(target, drained)).phase is DrainPhase.DRAINING, "of another plan"
    marks["0f3a", "plan 7f"] = ManualMark(word=ManualWord.REFUSED, by="kim", note="a demo")
    assert (await drains.state(target, drained)).detail == "kim says refused: a demo"
    assert (await drains.state(target, drained)).phase is DrainPhase.REFUSED
    marks["0f3a", "plan 7f"] = ManualMark(word=ManualWord.DONE, by="kim")
    assert (await drains.state(target, drained)).phase is DrainPhase.DRAINED
    await drains.undo(target, drained)
    await drains.aclose()


def test_people_need_somewhere_to_say_it() -> None:
    with pytest.raises(OperatorMust):
        open_drains(ManualSettings(), name="people")


def test_a_receipt_is_json_and_back() -> None:
    receipt = Drained(
        adapter="k8s",
        uid="u",
        node="gpu-12",
        reason="plan 7f",
        at=1.5,
        found={"unschedulable": False},
        did=("cordon",),
    )
    assert msgspec.json.decode(msgspec.json.encode(receipt), type=Drained) == receipt
