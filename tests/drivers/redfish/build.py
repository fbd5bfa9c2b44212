"""Small trees for the pure extractions: payloads by URI, made into what a crawl brings home."""

from __future__ import annotations

from typing import Any

from iolaus.drivers.redfish.harvest import ROOT, Harvest, links_in, normal

AT = 1_700_000_000.0
BOX = f"{ROOT}/Chassis/Box"
HOST = f"{ROOT}/Systems/Host"


def typed(kind: str, **properties: Any) -> dict[str, Any]:
    """A payload of a type; `Status` is Enabled and OK unless given."""
    status = {"State": "Enabled", "Health": "OK"}
    return {"@odata.type": f"#{kind}.v1_0_0.{kind}", "Status": status, **properties}


def sensor(name: str, quantity: str, reading: object, unit: str, **more: Any) -> dict[str, Any]:
    return typed(
        "Sensor",
        Id=name,
        Name=name,
        ReadingType=quantity,
        ReadingUnits=unit,
        Reading=reading,
        **more,
    )


def link(uri: str) -> dict[str, str]:
    return {"@odata.id": uri}


def harvest_of(
    resources: dict[str, Any], *, root: dict[str, Any] | None = None, at: float = AT
) -> Harvest:
    """Collections (anything with `Members`) are told apart as the crawl does."""
    plain = {normal(uri): body for uri, body in resources.items() if "Members" not in body}
    collections = {
        normal(uri): tuple(links_in(body["Members"]))
        for uri, body in resources.items()
        if "Members" in body
    }
    if root is not None:
        plain[ROOT] = {"@odata.type": "#ServiceRoot.v1_0_0.ServiceRoot", **root}
    return Harvest(address="https://box.test", at=at, resources=plain, collections=collections)


def one_asset(_: str) -> str:
    return "Systems/Host"
