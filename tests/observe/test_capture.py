"""A capture holds what the device says, and none of its secrets."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.drivers.ports import Payload
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, OperatorMust, WeErred
from iolaus.observe.capture import REMOVED, capture, links, scrub
from iolaus.wire.redfish.port import Answer

TREE: dict[str, dict[str, Any]] = {
    "/redfish/v1": {
        "@odata.id": "/redfish/v1/",
        "Systems": {"@odata.id": "/redfish/v1/Systems"},
        "AccountService": {"@odata.id": "/redfish/v1/AccountService"},
        "Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}},
        "Elsewhere": {"@odata.id": "https://evil.example/x"},
        "Up": {"@odata.id": "/redfish/v1/../../etc/passwd"},
    },
    "/redfish/v1/Systems": {
        "Members": [{"@odata.id": "/redfish/v1/Systems/1"}, {"@odata.id": "/redfish/v1/Gone"}]
    },
    "/redfish/v1/Systems/1": {"SerialNumber": "S1", "Bios": {"AdminPassword": "hunter2"}},
    "/redfish/v1/AccountService": {
        "MinPasswordLength": 8,
        "PasswordExpiration": "none",
        "SNMP": {"AuthenticationKey": "abc", "Community": "public"},
    },
}


class TreeReads:
    address = "https://10.0.0.1"

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        if uri not in TREE:
            raise DeviceRefused("not found", operation="GET", subject=uri, status=404)
        return Answer(uri=uri, status=200, body=TREE[uri], headers={}, at=0.0, elapsed_s=0.0)

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]:
        raise AssertionError(uri)


class DeadReads(TreeReads):
    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        raise DeviceSilent("no answer", operation="GET", subject=uri)


async def test_everything_linked_is_written_in_the_mockup_layout(tmp_path: Path) -> None:
    done = await capture(TreeReads(), tmp_path / "c")
    written = {str(p.parent.relative_to(tmp_path / "c")) for p in tmp_path.rglob("index.json")}
    assert written == {uri.strip("/") for uri in TREE}
    assert done.resources == len(TREE)
    assert done.gaps == {"/redfish/v1/Gone": "not found"}
    assert json.loads((tmp_path / "c/capture.json").read_text())["resources"] == len(TREE)


async def test_no_secret_leaves_and_nothing_else_is_changed(tmp_path: Path) -> None:
    done = await capture(TreeReads(), tmp_path / "c")
    text = "".join(p.read_text() for p in tmp_path.rglob("*.json"))
    assert done.secrets_removed == 3
    assert not any(secret in text for secret in ("hunter2", '"abc"', '"public"'))
    account = json.loads((tmp_path / "c/redfish/v1/AccountService/index.json").read_text())
    assert account["MinPasswordLength"] == 8
    assert account["PasswordExpiration"] == "none"
    assert account["SNMP"] == {"AuthenticationKey": REMOVED, "Community": REMOVED}


async def test_a_folder_in_use_or_not_writable_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(OperatorMust, match="not empty"):
        await capture(TreeReads(), tmp_path)
    with pytest.raises(OperatorMust, match="cannot be written"):
        await capture(TreeReads(), tmp_path / "x" / "c")


async def test_a_dead_device_and_a_full_disk_are_two_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # what it keeps would be cut as well
    with pytest.raises(DeviceSilent):
        await capture(DeadReads(), tmp_path / "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        with pytest.raises(WeErred, match="cannot be written") as caught:
            await capture(TreeReads(), tmp_path / "b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=20,
)


@given(JSON)
def test_any_payload_is_scrubbed_once_and_for_all(value: Any) -> None:
    clean, _ = scrub(value)
    assert scrub(clean)[0] == clean
    assert all(uri.startswith("/redfish/v1") for uri in links(value))
