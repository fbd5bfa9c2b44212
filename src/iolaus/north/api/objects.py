"""Objects and lists as Kubernetes shapes them, with our flat view as `status`.

`spec` is what the operator said, `status` what is so. `status` is whole by itself (name, kind and
labels are in it), so a program that wants flat JSON takes `status` and is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from iolaus.model.endpoint import Target
from iolaus.north.dto.views import AssetView, EndpointView, View
from iolaus.north.fleet import Item
from iolaus.north.kinds import KINDS, Kind

API_VERSION: Final = "iolaus.dev/v1"


class Metadata(msgspec.Struct, kw_only=True, rename="camel"):
    """What identifies an object. `resourceVersion` grows with each change."""

    name: str
    uid: str
    labels: Mapping[str, str] = {}
    generation: int = 1
    resource_version: str = ""


class ListMetadata(msgspec.Struct, kw_only=True):
    """`continue` asks for the next page; `remaining` is null where counting would cost too much."""

    continue_: Annotated[str, Meta(description="Empty on the last page.")] = msgspec.field(
        name="continue", default=""
    )
    remaining: int | None = None
    resource_version: str = msgspec.field(name="resourceVersion", default="")


class Spec(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the operator asked for; empty for what is only observed."""

    address: str | None = None
    name: str | None = None
    mode: str | None = None
    fingerprint: str | None = None
    credential: str | None = None


class Object(msgspec.Struct, kw_only=True, rename="camel"):
    """What all objects have; the classes below add the type of `status`."""

    api_version: str
    kind: str
    metadata: Metadata
    spec: Spec


def _typed(kind: Kind) -> tuple[type[Any], type[Any]]:
    one = msgspec.defstruct(
        kind.object,
        [("status", kind.view)],
        bases=(Object,),
        kw_only=True,
        module=__name__,
        namespace={"__doc__": (kind.view.__doc__ or "").strip()},
    )
    many = msgspec.defstruct(
        kind.list_object,
        [
            ("apiVersion", str),
            ("kind", str),
            ("metadata", ListMetadata),
            ("items", list[one]),  # type: ignore[valid-type]
        ],
        kw_only=True,
        module=__name__,
        namespace={"__doc__": f"A page of {kind.plural}."},
    )
    return one, many


TYPES: Final = {kind.name: _typed(kind) for kind in KINDS}


def wrap(kind: Kind, item: Item, target: Target | None = None) -> Object:
    one = TYPES[kind.name][0]
    made: Object = one(
        api_version=API_VERSION,
        kind=kind.object,
        metadata=Metadata(
            name=item.name,
            uid=item.uid,
            labels=item.view.labels,
            resource_version=str(item.revision),
        ),
        spec=_spec(item.view, target),
        status=item.view,
    )
    return made


def wrap_list(
    kind: Kind, items: list[Object], *, after: str, remaining: int | None, revision: int
) -> Any:
    return TYPES[kind.name][1](
        apiVersion=API_VERSION,
        kind=kind.list_object,
        metadata=ListMetadata(continue_=after, remaining=remaining, resource_version=str(revision)),
        items=items,
    )


def _spec(view: View, target: Target | None) -> Spec:
    if target is None or not isinstance(view, EndpointView | AssetView):
        return Spec()
    if isinstance(view, AssetView):
        return Spec(address=target.address, mode=target.mode.value)
    return Spec(
        address=target.address,
        name=target.name,
        mode=target.mode.value,
        fingerprint=target.fingerprint,
        credential=target.credential,
    )


def address_of(view: View) -> str | None:
    if isinstance(view, EndpointView):
        return view.address
    return view.endpoint if isinstance(view, AssetView) else None
