"""Firmware packages through the API: sent as they are, since they are too large for JSON.

The body is written to a file that has no name any more when it was read; only what it says of
itself is kept. Like other documents it is judged by the server.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated, Any, Final

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from iolaus.kernel.errors import OperatorMust
from iolaus.north.api.lists import DryRun, one_object
from iolaus.north.api.objects import TYPES
from iolaus.north.api.references import REFERENCE, principal_for_all, reference_item
from iolaus.north.api.resources import of_type
from iolaus.north.context import Context, PackageOrder
from iolaus.north.guard import MAX_PACKAGE
from iolaus.north.problems import not_found

BATCH: Final = 4 << 20
MOST_KEYS: Final = 8
_Name = Annotated[str, QueryParameter(min_length=1, max_length=300, description="The file's.")]
_Anchors = Annotated[
    list[str] | None,
    QueryParameter(
        name="anchor",
        description="A public key or certificate that may have signed it, in URL-safe Base64.",
    ),
]
_Meant = Annotated[
    list[str] | None,
    QueryParameter(
        name="for",
        description="What it is for: a component's id, with * and ?, or its class; before it "
        "`0x0010=` for one image of a PLDM package.",
    ),
]
_Accept = Annotated[
    bool,
    QueryParameter(name="acceptUnverified", description="Keep it also if nobody vouches for it."),
]


def package_route(context: Context) -> HTTPRouteHandler:
    @post(
        "/references/package",
        status_code=200,
        operation_id="importPackage",
        summary="Import what a firmware package holds: versions and digests, not the images",
        description="The body is the package itself (application/octet-stream): PLDM (DSP0267), or "
        "an archive of OpenBMC.",
        tags=["references"],
        request_max_body_size=MAX_PACKAGE,
        responses=of_type(
            TYPES["reference"][0], "What was read from it.", 400, 401, 403, 404, 409, 413, 415
        ),
    )
    async def take(
        request: Request[Any, Any, Any],
        name: _Name,
        anchor: _Anchors = None,
        meant: _Meant = None,
        accept: _Accept = False,
        dry_run: DryRun = None,
    ) -> Response[Any]:
        principal = principal_for_all(request)
        if context.references is None:
            raise not_found("reference", name)
        with NamedTemporaryFile(prefix="iolaus-package-") as file:
            await _spool(request, file)
            order = PackageOrder(
                source=name,
                path=Path(file.name),
                anchors=tuple(_read(anchor or ())),
                meant=tuple(meant or ()),
                accept_unverified=accept,
            )
            keep = dry_run is None
            kept = await context.references.take_package(order, by=principal.name, keep=keep)
        return Response(one_object(context, REFERENCE, reference_item(context, kept)))

    return take


async def _spool(request: Request[Any, Any, Any], file: IO[bytes]) -> None:
    held = bytearray()
    async for piece in request.stream():
        held += piece
        if len(held) >= BATCH:
            await asyncio.to_thread(file.write, bytes(held))
            held.clear()
    await asyncio.to_thread(file.write, bytes(held))
    await asyncio.to_thread(file.flush)


def _read(anchors: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    if len(anchors) > MOST_KEYS:
        raise _wrong(f"more than {MOST_KEYS} keys", "give those that may have signed it.")
    for number, each in enumerate(anchors, 1):
        try:
            yield f"anchor {number}", base64.urlsafe_b64decode(each.encode("ascii"))
        except (binascii.Error, ValueError):
            raise _wrong("a key is no URL-safe Base64", "encode PEM or DER so.") from None


def _wrong(message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message,
        operation="import",
        subject="anchor",
        code="AnchorMalformed",
        next_step=next_step,
    )
