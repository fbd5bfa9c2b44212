"""Paging and `$expand`: whole collections, bounded, and never at the price of a property."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from iolaus.wire.redfish.expand import Expander, expand_query, kind_of, lost
from iolaus.wire.redfish.paging import Pages, read_collection
from iolaus.wire.redfish.port import Answer

URI = "/redfish/v1/Chassis/1/Sensors"


class Site:
    """Bodies by URI; remembers what was asked."""

    def __init__(self, pages: dict[str, Any]) -> None:
        self.pages, self.asked = pages, list[str]()

    async def get(self, uri: str) -> Answer:
        self.asked.append(uri)
        if uri not in self.pages:
            raise DeviceRefused("no", operation="GET", subject=uri, code="NotFound", status=404)
        return Answer(uri=uri, status=200, body=self.pages[uri], headers={}, at=0.0, elapsed_s=0.0)


def page(*members: Any, following: Any = None, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"Members": list(members), **more}
    return body if following is None else {**body, "Members@odata.nextLink": following}


def link(name: str) -> dict[str, str]:
    return {"@odata.id": f"{URI}/{name}"}


async def test_all_pages_are_read_in_order() -> None:
    site = Site(
        {
            URI: page(
                link("a"), link("b"), following=f"{URI}?$skip=2", **{"Members@odata.count": 3}
            ),
            f"{URI}?$skip=2": page(link("c")),
        }
    )
    collection = await read_collection(site.get, URI)
    assert [each[-1] for each in collection.links] == ["a", "b", "c"]
    assert (collection.complete, collection.deviations) == (True, ())


@pytest.mark.parametrize(
    ("body", "links", "rules"),
    [
        ({}, 0, []),
        ({"Members": None}, 0, ["type"]),
        ({"Members": {"@odata.id": "/a"}}, 1, ["type"]),
        ({"Members": "x"}, 0, ["type"]),
        (page(None, 7, link("a")), 1, ["type", "type"]),
        (page(link("a"), link("a")), 1, ["duplicate"]),
        (page({"Name": "no link"}), 0, ["missing"]),
        (page(link("a"), **{"Members@odata.count": 5}), 1, ["count"]),
        (page(link("a"), following=URI), 1, ["loop"]),
        (page(link("a"), following=7), 1, ["link"]),
        (page(link("a"), following=f"{URI}/gone"), 1, ["unreadable"]),
    ],
)
async def test_deviations_are_reported_not_raised(
    body: dict[str, Any], links: int, rules: list[str]
) -> None:
    collection = await read_collection(Site({URI: body}).get, URI)
    assert len(collection.links) == links
    assert [rule for _, rule, _ in collection.deviations] == rules


async def test_the_first_page_must_be_readable() -> None:
    with pytest.raises(DeviceRefused):
        await read_collection(Site({}).get, URI)


def test_pages_and_members_are_bounded() -> None:
    pages = Pages(URI, max_pages=3, max_members=4)
    assert pages.feed(page(link("a"), following="/2"))
    assert pages.feed(page(link("b"), following="/3"))
    assert pages.feed(page(link("c"), following="/4")) is None
    assert not pages.collection().complete
    many = Pages(URI, max_members=2)
    assert many.feed(page(link("a"), link("b"), link("c"), following="/2")) is None
    assert len(many.collection().links) == 2


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("/redfish/v1/x"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["Members", "@odata.id", "Members@odata.nextLink", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(st.lists(st.dictionaries(st.sampled_from(["Members", "Members@odata.nextLink"]), _ANY)))
def test_any_page_is_taken(bodies: list[dict[str, Any]]) -> None:
    pages = Pages(URI, max_pages=5, max_members=10)
    for body in bodies:
        following = pages.feed(body)
        assert following is None or following.startswith("/")
    collection = pages.collection()
    assert len(collection.links) + len(collection.loose) <= 10


# --- $expand ----------------------------------------------------------------------------------

ROOT = {"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": True, "Levels": True}}}
QUERY = "?$expand=.($levels=1)"
SENSORS = {f"{URI}/{n}": {**link(n), "Name": n, "Reading": i} for i, n in enumerate("abcd")}


def site(expanded: list[dict[str, Any]], **more: Any) -> Site:
    plain = page(*({"@odata.id": uri} for uri in SENSORS))
    return Site({URI: plain, URI + QUERY: page(*expanded), **SENSORS, **more})


def expander(root: dict[str, Any] | None = None) -> Expander:
    made = Expander()
    made.learn(ROOT if root is None else root)
    return made


async def members(of: Site, by: Expander, uri: str = URI) -> dict[str, Any]:
    gaps: list[str] = []
    found = await by.members(of.get, uri, on_gap=lambda link, _: gaps.append(link))
    assert not gaps
    return dict(found)


@pytest.mark.parametrize(
    ("body", "gaps"),
    [
        ({"Members": None}, {URI: "not all of its members are known: null where a list belongs"}),
        ({"Members": None, "Members@odata.count": 0}, {}),
        ({"Members": [], "Members@odata.count": 0}, {}),
        (page(following=URI), {URI: f"not all of its members are known: {URI}"}),
    ],
)
async def test_members_that_cannot_even_be_named_are_a_gap(
    body: dict[str, Any], gaps: dict[str, str]
) -> None:
    found: dict[str, str] = {}
    await Expander().members(Site({URI: body}).get, URI, on_gap=found.__setitem__)
    assert found == gaps


async def test_a_lossless_expand_is_used_from_the_second_time_on() -> None:
    device = site([{**body, "Reading": 99} for body in SENSORS.values()])
    by = expander()
    assert set(await members(device, by)) == set(SENSORS)
    assert by.verdicts == {"Chassis/*/Sensors": True}
    device.asked.clear()
    assert len(await members(device, by)) == 4
    assert device.asked == [URI + QUERY]


@pytest.mark.parametrize(
    "expanded",
    [
        [{"@odata.id": uri} for uri in SENSORS],
        [{"@odata.id": uri, "Reading": 1} for uri in SENSORS],
        [dict(body) for body in list(SENSORS.values())[:3]],
        [{**body, "Name": "other"} for body in SENSORS.values()],
    ],
    ids=["bare links", "a property dropped", "a member dropped", "another value"],
)
async def test_an_expand_that_loses_is_never_used(expanded: list[dict[str, Any]]) -> None:
    device, by = site(expanded), expander()
    assert await members(device, by) == SENSORS
    assert by.verdicts == {"Chassis/*/Sensors": False}
    device.asked.clear()
    await members(device, by)
    assert URI + QUERY not in device.asked


async def test_a_refused_expand_is_never_used_again() -> None:
    device, by = site([]), expander()
    del device.pages[URI + QUERY]
    assert await members(device, by) == SENSORS
    assert by.verdicts == {"Chassis/*/Sensors": False}


async def test_an_empty_collection_decides_nothing() -> None:
    by = expander()
    assert await members(Site({URI + QUERY: page()}), by) == {}
    assert by.verdicts == {}


async def test_without_the_feature_nothing_is_tried() -> None:
    device = site([])
    assert await members(device, expander({})) == SENSORS
    assert URI + QUERY not in device.asked


async def test_a_member_that_cannot_be_read_is_a_gap() -> None:
    device = site([])
    del device.pages[f"{URI}/b"]
    gaps: list[tuple[str, str]] = []
    found = await expander({}).members(device.get, URI, on_gap=lambda *gap: gaps.append(gap))
    assert ([uri[-1] for uri, _ in found], gaps) == (list("acd"), [(f"{URI}/b", "NotFound: no")])


async def test_a_device_that_dies_in_the_probe_decides_nothing() -> None:
    device = site([dict(body) for body in SENSORS.values()])
    inner = device.get

    async def dying(uri: str) -> Answer:
        if uri == f"{URI}/a":
            raise DeviceSilent("gone", operation="GET", subject=uri)
        return await inner(uri)

    by, gaps = expander(), list[str]()
    found = await by.members(dying, URI, on_gap=lambda link, _: gaps.append(link))
    assert (len(found), gaps, by.verdicts) == (3, [f"{URI}/a"], {})


@pytest.mark.parametrize(
    ("feature", "query"),
    [
        ({"NoLinks": True}, "?$expand=."),
        ({"ExpandAll": True, "Levels": True}, "?$expand=*($levels=1)"),
        ({"Links": True}, None),
        ({"NoLinks": "yes"}, None),
        ([], None),
    ],
)
def test_which_query(feature: Any, query: str | None) -> None:
    assert expand_query({"ProtocolFeaturesSupported": {"ExpandQuery": feature}}) == query


def test_kinds() -> None:
    assert kind_of("/redfish/v1/Chassis/7/Sensors/") == "Chassis/*/Sensors"
    assert kind_of("/redfish/v1/Systems") == "Systems"


@given(_ANY)
def test_nothing_is_lost_in_itself(value: Any) -> None:
    assert lost(value, value) == []


@given(st.dictionaries(st.sampled_from("abcdef"), _ANY, min_size=1), st.data())
def test_a_missing_key_is_always_noticed(value: dict[str, Any], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(value)))
    assert f"/{gone}" in lost(value, {k: v for k, v in value.items() if k != gone})
