"""Load targets: the good one is a value, every lie has its word, no bytes raise anything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, KeySet

from iolaus.kernel.errors import OperatorMust
from iolaus.wire.dsx.flex import Judge, LoadTarget, Signer, Untrusted, load_keys, stamp
from tests.sim.building.contract import Contract

AT = 1_800_000_000.0
TOPIC = "grid/v1/isv/acme/loadtarget/set"


def key(kid: str = "acme-1") -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid}, auto_kid=False)


KEY, OTHER = key(), key()
KEYS = {"acme": KeySet([KEY])}


def target(**more: Any) -> dict[str, Any]:
    limit = {"value": 1.5, "unit": "megawatt"}
    return {
        "interval": {"start_time": stamp(AT)},
        "feed_tags": ["a"],
        "load_constraint": limit,
        **more,
    }


def event(*, data: Any = None, signer: ECKey = KEY, raw: Any = None, **more: Any) -> bytes:
    body = {"targets": [target()]} if data is None else data
    head = {"alg": "ES256", "kid": "acme-1"}
    signed = jws.serialize_compact(head, json.dumps(body).encode(), signer)
    return json.dumps({
        "specversion": "1.0.2", "id": "11111111-2222", "source": "//grid/v1/isv/acme",
        "type": "grid.loadtarget.set.v1", "time": stamp(AT), "correlationid": "c-1",
        "data": signed if raw is None else raw, **more,
    }).encode()  # fmt: skip


@pytest.fixture
def judge() -> Judge:
    return Judge(KEYS, since=AT - 1000)


def refused(judge: Judge, payload: bytes, topic: str = TOPIC) -> str:
    with pytest.raises(Untrusted) as caught:
        judge.load_targets(topic, payload, at=AT)
    return caught.value.code


def test_a_good_target_is_a_value(judge: Judge) -> None:
    (found,) = judge.load_targets(TOPIC, event(), at=AT)
    assert found == LoadTarget(
        limit_w=1.5e6, feeds=("a",), start_s=AT, end_s=None, best_effort=False,
        source="//grid/v1/isv/acme", event_id="11111111-2222", correlation="c-1",
    )  # fmt: skip


def test_a_limit_that_is_lifted(judge: Judge) -> None:
    (found,) = judge.load_targets(
        TOPIC, event(data={"targets": [target(load_constraint=None)]}), at=AT
    )
    assert found.limit_w is None


NEGATIVE = {"value": -1, "unit": "watt"}
STRANGE = jws.serialize_compact({"alg": "ES256", "kid": "x"}, b"{}", key("x"))
LIES: Mapping[str, tuple[bytes, str]] = {
    "another key under the same name": (event(signer=OTHER), "Forged"),
    "plain data": (event(raw={"targets": [target()]}), "Unsigned"),
    "no algorithm": (event(raw="eyJhbGciOiJub25lIiwia2lkIjoiYWNtZS0xIn0.e30."), "Unsigned"),
    "an unknown key": (
        event(raw=STRANGE), "UnknownKey",
    ),
    "an hour old": (event(time=stamp(AT - 3600)), "NotFresh"),
    "from the future": (event(time=stamp(AT + 3600)), "NotFresh"),
    "a window that is over": (
        event(data={"targets": [target(interval={"end_time": stamp(AT - 1)})]}), "Expired",
    ),
    "another sender": (event(source="//grid/v1/isv/mallory"), "WrongSender"),
    "another type": (event(type="grid.powerstate.status.v1"), "WrongSender"),
    "no targets": (event(data={"targets": []}), "NotUnderstood"),
    "a negative limit": (
        event(data={"targets": [target(load_constraint=NEGATIVE)]}), "NotUnderstood",
    ),
    "no limit at all": (event(data={"targets": [{"interval": {}}]}), "NotUnderstood"),
    "half a message": (event()[:100], "NotUnderstood"),
    "data that are no object": (event(data=[1]), "NotUnderstood"),
    "a time without a zone": (event(time="2027-01-15T08:00:00"), "NotUnderstood"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused_with_their_word(judge: Judge, lie: str) -> None:
    payload, code = LIES[lie]
    assert refused(judge, payload) == code


def test_one_changed_byte_of_signed_data(judge: Judge) -> None:
    head, body, signature = json.loads(event())["data"].split(".")
    more = json.loads(event(data={"targets": [target(load_constraint=None)]}))["data"].split(".")[1]
    assert refused(judge, event(raw=f"{head}.{more}.{signature}")) == "Forged"
    assert body != more


def test_a_message_that_comes_again(judge: Judge) -> None:
    judge.load_targets(TOPIC, event(), at=AT)
    assert refused(judge, event()) == "Replayed"
    assert refused(Judge(KEYS, since=AT + 1), event()) == "Replayed"


def test_a_topic_of_somebody_else(judge: Judge) -> None:
    assert refused(judge, event(), "grid/v1/isv/mallory/loadtarget/set") == "WrongSender"


def test_key_sets() -> None:
    text = json.dumps({"keys": [KEY.as_dict(private=False)]})
    assert [each.kid for each in load_keys(text, source="x").keys] == ["acme-1"]
    for wrong in ("", "{}", '{"keys": []}', '{"keys": [{"kty": "EC"}]}', "[1]"):
        with pytest.raises(OperatorMust):
            load_keys(wrong, source="x")


@pytest.mark.shared
def test_what_we_sign_is_what_the_contract_wants(shared: Path) -> None:
    contract, signer = Contract(shared / "dsx" / "dsx-flex.yaml"), Signer(KeySet([key("us-1")]))
    watts = {"value": 100.0, "unit": "kilowatt"}
    feed = {
        "metadata": {"power_minimum": watts, "power_maximum": watts, "default_constraint": watts},
        "targets": [], "calculated_load": watts, "in_flight": False, "event": "periodic",
        "compliant": True,
    }  # fmt: skip
    data = {"snapshot_time": stamp(AT), "feeds": {"a": feed}}
    topic, payload = signer.event("grid.powerstate.status.v1", data, who="iolaus", at=AT)
    body = json.loads(payload)
    contract.check(topic, body)
    opened = json.loads(jws.deserialize_compact(body["data"], signer._key).payload)
    assert not list(contract.schema("PowerStateStatusData").iter_errors(opened))


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda t: event(raw=t)))
@settings(max_examples=100)
def test_any_bytes_are_targets_or_the_one_error(data: bytes) -> None:
    with pytest.raises(Untrusted):
        Judge(KEYS, since=0.0).load_targets(TOPIC, data, at=AT)
