"""How anything is written: the precondition that a device takes, and the receipt.

Some controllers silently drop a PATCH without If-Match, others give tags that never match (weak
ones, empty ones, with "-gzip" glued on). So what is to be changed is read first and its tag sent
back; where the tag cannot be used, or matches nothing although nothing has changed, "*" is sent.
A 412 after somebody else's change stays a refusal: whoever asked looks again.

No request is repeated after it may have taken effect. A 412 or 428 has changed nothing, so trying
another spelling of the precondition is no second write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from iolaus.drivers.ports import Payload, Reads, Receipt, Repair, Writes
from iolaus.drivers.redfish._text import clean
from iolaus.drivers.redfish.harvest import ROOT, links_in
from iolaus.kernel.errors import DeviceRefused
from iolaus.wire.redfish.errors import (
    Code,
    PropertiesRefused,
    extended_info,
    refused_properties,
)
from iolaus.wire.redfish.etag import ANY
from iolaus.wire.redfish.port import Answer
from iolaus.wire.redfish.task import task_uri
from iolaus.wire.redfish.upload import Upload

MOST_SAID: Final = 300
_MOST_MESSAGES: Final = 4
_SUCCESS: Final = frozenset({"Success", "NoOperation", ""})


class Mended:
    """A device whose answers are repaired as an inventory's are."""

    def __init__(self, device: Writes, repair: Repair) -> None:
        self._device, self._repair = device, repair

    @property
    def address(self) -> str:
        return self._device.address

    async def get(self, uri: str, *, fresh_s: float = 0.0) -> Answer:
        answer = await self._device.get(uri, fresh_s=fresh_s)
        return msgspec.structs.replace(answer, body=self._repair(uri, answer.body))

    async def members(
        self, uri: str, *, on_gap: Callable[[str, str], None], fresh_s: float = 0.0
    ) -> Sequence[tuple[str, Payload]]:
        found = await self._device.members(uri, on_gap=on_gap, fresh_s=fresh_s)
        return [(each, self._repair(each, payload)) for each, payload in found]

    async def write(
        self,
        method: str,
        uri: str,
        body: Mapping[str, Any] | None = None,
        *,
        if_match: str | None = None,
        deadline_s: float | None = None,
    ) -> Answer:
        return await self._device.write(method, uri, body, if_match=if_match, deadline_s=deadline_s)

    async def push(self, uri: str, upload: Upload, *, deadline_s: float | None = None) -> Answer:
        return await self._device.push(uri, upload, deadline_s=deadline_s)


async def patch(
    device: Writes,
    uri: str,
    body: Mapping[str, Any],
    *,
    seen: Answer | None = None,
    insist: bool = False,
) -> Receipt:
    """PATCH what was read as `seen` (None: it is read now). A write of which any property was
    refused raises `PropertiesRefused`, also where the status is a 2xx."""
    answer, receipt = await patch_some(device, uri, body, seen=seen, insist=insist)
    refused = refused_properties(answer.body) if answer else {}
    if answer and refused:
        raise partly_refused(device, uri, answer, refused)
    return receipt


async def patch_some(
    device: Writes,
    uri: str,
    body: Mapping[str, Any],
    *,
    seen: Answer | None = None,
    insist: bool = False,
) -> tuple[Answer | None, Receipt]:
    """PATCH of which a part may be refused: the answer tells. None: it was so already. With
    `insist` it is for whatever version stands there."""
    seen = seen or await device.get(uri)
    tag = precondition(seen)
    tag = ANY if insist and tag is not None else tag
    try:
        answer = await device.write("PATCH", uri, body, if_match=tag)
    except DeviceRefused as refused:
        if refused.code == Code.ALREADY_SO:
            return None, already("PATCH", uri, at=seen.at, status=refused.status)
        if not await _tag_is_useless(device, refused, seen, tag):
            raise
        answer = await device.write("PATCH", uri, body, if_match=ANY)
    return answer, receipt_of("PATCH", uri, answer)


def precondition(seen: Answer) -> str | None:
    """What to send as If-Match: the tag; any, where tags are given that say nothing; or none."""
    if seen.etag:
        return seen.etag
    return ANY if "etag" in seen.headers or "@odata.etag" in seen.body else None


async def _tag_is_useless(
    device: Reads, refused: DeviceRefused, seen: Answer, tag: str | None
) -> bool:
    """Whether the device wants a precondition and none of its own tags can be it."""
    if refused.status == 428:
        return tag is None
    if refused.status != 412 or tag in (None, ANY):
        return False
    return (await device.get(seen.uri)).etag == tag


def receipt_of(method: str, uri: str, answer: Answer) -> Receipt:
    return Receipt(
        method=method,
        uri=uri,
        status=answer.status,
        at=answer.at,
        task=_task_of(answer),
        etag=answer.etag,
        message=said(answer),
    )


def _task_of(answer: Answer) -> str | None:
    """The task of a 202. A monitor is none: some devices forget a task when that is asked."""
    task = task_uri(answer) if answer.status == 202 else None
    return None if task is None or "monitor" in task.lower() else task


def already(method: str, uri: str, *, at: float, status: int = 0, why: str = "") -> Receipt:
    """It is so, and the device said so or nothing had to be sent (`status` 0)."""
    return Receipt(method=method, uri=uri, status=status, at=at, message=why, already_so=True)


def said(answer: Answer) -> str:
    """The device's own words, printable and short."""
    texts = [text for word, text in extended_info(answer.body) if text and word not in _SUCCESS]
    texts += [detail for _, rule, detail in answer.deviations if rule == "syntax"]
    return clean("; ".join(dict.fromkeys(texts[:_MOST_MESSAGES])), MOST_SAID)


def partly_refused(
    device: Reads, uri: str, answer: Answer, refused: Mapping[str, str]
) -> PropertiesRefused:
    names = ", ".join(refused)
    error = PropertiesRefused(
        f"HTTP {answer.status}, but it did not take {names}: {next(iter(refused.values()))}"[:400],
        operation="PATCH",
        subject=f"{device.address}{uri}",
        code=Code.BAD_REQUEST,
        next_step="give values that the device knows",
        status=answer.status,
    )
    error.properties = dict(refused)
    return error


def not_offered(device: Reads, uri: str, what: str, *, method: str = "POST") -> DeviceRefused:
    """Nothing was sent: the device does not show that it has this."""
    return DeviceRefused(
        f"the device offers no {what}",
        operation=method,
        subject=f"{device.address}{uri}",
        code=Code.NOT_SUPPORTED,
        next_step="update its controller, or do it another way",
    )


async def service_of(device: Reads, name: str) -> Answer:
    """A service that the root links to ("UpdateService"), read afresh; the usual place where the
    root does not say."""
    root = await device.get(ROOT, fresh_s=60.0)
    uri = next(links_in(root.body.get(name)), f"{ROOT}/{name}")
    return await device.get(uri)
