"""Names: stable, safe, distinct."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.asset import Asset, AssetKind, Identity
from iolaus.model.endpoint import Target
from iolaus.model.fact import Unknown
from iolaus.model.naming import (
    asset_name,
    asset_names,
    asset_uid,
    distinct,
    endpoint_name,
    slug,
)

UNKNOWN = Unknown(reason="not read", at=0.0)


def asset(key: str, kind: AssetKind = AssetKind.NODE) -> Asset:
    return Asset(
        key=key,
        kind=kind,
        resources=(f"/redfish/v1/{key}",),
        identity=Identity(),
        power_state=UNKNOWN,
        health=UNKNOWN,
        observed_at=0.0,
    )


def test_an_endpoint_is_called_by_its_name_or_host() -> None:
    assert endpoint_name(Target(address="https://10.0.0.1", name="h1-r07-u12")) == "h1-r07-u12"
    assert endpoint_name(Target(address="https://10.0.0.1")) == "10.0.0.1"
    assert endpoint_name(Target(address="https://10.0.0.1:8443")) == "10.0.0.1-8443"
    assert endpoint_name(Target(address="https://[fe80::1]:8443")) == "fe80--1-8443"


def test_the_primary_asset_has_the_endpoints_name_and_others_add_their_segment() -> None:
    target = Target(address="https://10.0.0.1", name="tray")
    assets = [
        asset("Chassis/Tray", AssetKind.CHASSIS),
        asset("Systems/Host_A"),
        asset("Systems/Host_B"),
        asset("Systems/DPU/", AssetKind.DPU),
    ]
    assert asset_names(target, assets) == {
        "Systems/Host_A": "tray",
        "Systems/Host_B": "tray-host_b",
        "Systems/DPU/": "tray-dpu",
        "Chassis/Tray": "tray-tray",
    }
    assert asset_name(target, assets[2], assets) == "tray-host_b"
    assert asset_name(target, assets[1], []) == "tray"


def test_equal_segments_are_told_apart_by_kind() -> None:
    target = Target(address="https://bmc", name="n")
    names = asset_names(
        target,
        [asset("Systems/1"), asset("Systems/2"), asset("X/2"), asset("C/2", AssetKind.CHASSIS)],
    )
    assert sorted(names.values()) == ["n", "n-2", "n-chassis-2", "n-node-2"]


def test_uids_are_stable_and_differ() -> None:
    assert asset_uid("https://a", "Systems/1") == asset_uid("https://a", "Systems/1")
    assert asset_uid("https://a", "Systems/1") != asset_uid("https://b", "Systems/1")


@given(st.text(), st.lists(st.tuples(st.text(), st.sampled_from(AssetKind)), max_size=6))
def test_any_names_become_safe_and_distinct(name: str, keys: list[tuple[str, AssetKind]]) -> None:
    target = Target(address="https://10.0.0.1", name=name or None)
    assets = {key: asset(key, kind) for key, kind in keys}
    names = asset_names(target, assets.values())
    assert len(set(names.values())) == len(assets)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", each) for each in names.values())


@given(st.lists(st.sampled_from(["a", "a-2", "a-2-2", "b"]), max_size=8))
def test_distinct_keeps_order_and_length(names: list[str]) -> None:
    result = distinct(names)
    assert len(set(result)) == len(names)
    assert all(new.startswith(old) for new, old in zip(result, names, strict=True))


def test_a_slug_is_never_empty() -> None:
    assert slug("../..") == "x"
    assert slug("GPU 0 / Temp") == "GPU-0-Temp"
