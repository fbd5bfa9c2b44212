"""Logs that grow, diagnostic data, virtual media and boot sources, over the real wire."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from iolaus.sim.effects import attentive
from tests.sim.manners.stage import (
    MANAGER,
    SYSTEM,
    Bench,
    Json,
    as_user,
    bench,
    id_of,
    shelf,
    until,
)

LOG = f"{MANAGER}/LogServices/Sel"
MEDIA = f"{MANAGER}/VirtualMedia/Cd"


async def messages(on: Bench) -> list[str]:
    return [(await on.get(path))["Message"] for path in await on.members(f"{LOG}/Entries")]


async def switched(on: Bench, kind: str, state: str) -> None:
    assert (await on.act(SYSTEM, "ComputerSystem.Reset", ResetType=kind))[0] == 204

    async def so() -> bool:
        return bool((await on.get(SYSTEM))["PowerState"] == state)

    await until(so)


async def test_what_happens_is_written_down() -> None:
    async with bench() as on:
        await switched(on, "ForceOff", "Off")
        await on.ask("GET", SYSTEM, **as_user("root", "wrong"))
        last = (await messages(on))[-2:]
        assert "is Off" in last[0]
        assert "failed" in last[1]


async def test_a_full_log_loses_its_oldest_entry_and_a_cleared_one_says_so() -> None:
    async with bench() as on:
        on.device.patch(LOG, {"MaxNumberOfRecords": 5})
        for _ in range(3):
            await on.ask("GET", SYSTEM, **as_user("root", "wrong"))
        found = await messages(on)
        assert (len(found), found[-1]) == (5, "A login of 'root' failed.")
        assert (await on.act(LOG, "LogService.ClearLog"))[0] == 204

        async def cleared() -> bool:
            return await messages(on) == ["The log was cleared."]

        await until(cleared)


async def test_a_log_that_never_overwrites_stays_full() -> None:
    async with bench() as on:
        before = await messages(on)
        policy = {"MaxNumberOfRecords": len(before), "OverWritePolicy": "NeverOverWrites"}
        on.device.patch(LOG, policy)
        await on.ask("GET", SYSTEM, **as_user("root", "wrong"))
        assert await messages(on) == before


async def test_diagnostic_data_is_an_archive_behind_an_entry() -> None:
    async with bench() as on:
        status, task = await on.act(
            LOG, "LogService.CollectDiagnosticData", DiagnosticDataType="Manager"
        )
        assert status == 202

        async def over() -> bool:
            return bool((await on.get(task["@odata.id"]))["TaskState"] == "Completed")

        await until(over)
        entry = await on.get(task["TaskMonitor"])
        url = on.device.address + entry["AdditionalDataURI"]
        async with on.http.get(url) as answer:
            data = await answer.read()
        assert len(data) == entry["AdditionalDataSizeBytes"]
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            assert f"{MANAGER.strip('/')}/index.json" in tar.getnames()


async def ended(on: Bench, task: Json) -> Json:
    async def over() -> bool:
        return (await on.get(task["@odata.id"]))["TaskState"] in ("Completed", "Exception")

    await until(over)
    return await on.get(task["@odata.id"])


async def test_a_medium_is_fetched_before_it_is_inserted_and_inserted_once() -> None:
    async with bench() as on, shelf(b"an image") as url:
        status, task = await on.act(MEDIA, "VirtualMedia.InsertMedia", Image=url)
        assert status == 202
        assert (await ended(on, task))["TaskState"] == "Completed"
        held = await on.get(MEDIA)
        assert (held["Image"], held["Inserted"], held["WriteProtected"]) == (url, True, True)
        truth = attentive(on.device.effects).truth(on.device)["media"][MEDIA]
        assert truth == {"bytes": 8, "sha256": hashlib.sha256(b"an image").hexdigest()}
        status, said = await on.act(MEDIA, "VirtualMedia.InsertMedia", Image=url)
        assert (status, id_of(said)) == (409, "ResourceInUse")
        assert (await on.act(MEDIA, "VirtualMedia.EjectMedia"))[0] == 204
        assert (await on.get(MEDIA))["Inserted"] is False


@pytest.mark.parametrize("image", ["/nothing.iso", "http://192.0.2.1/far.iso", "file:///no/where"])
async def test_an_image_that_does_not_come_is_not_inserted(image: str) -> None:
    async with bench() as on, shelf(b"an image") as url:
        where = url.removesuffix("/boot.iso") + image if image.startswith("/") else image
        status, task = await on.act(MEDIA, "VirtualMedia.InsertMedia", Image=where)
        assert status == 202
        over = await ended(on, task)
        assert over["TaskState"] == "Exception"
        assert over["Messages"][0]["MessageId"].endswith(".CouldNotEstablishConnection")
        assert (await on.get(MEDIA))["Inserted"] is False
        assert (await on.ask("GET", task["TaskMonitor"]))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {"Image": "nfs://127.0.0.1/boot.iso"},
        {"Image": "boot.iso"},
        {"Image": "http://127.0.0.1/boot.iso", "TransferProtocolType": "NFS"},
    ],
)
async def test_media_by_other_ways_are_refused_at_once(body: Json) -> None:
    async with bench() as on:
        status, said = await on.act(MEDIA, "VirtualMedia.InsertMedia", **body)
        assert (status, id_of(said)) == (400, "ActionParameterValueError")


async def test_a_boot_source_is_used_once() -> None:
    async with bench() as on:
        boot = {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}
        assert (await on.ask("PATCH", SYSTEM, json={"Boot": boot}))[0] == 200
        await switched(on, "ForceOff", "Off")
        await switched(on, "On", "On")
        held = (await on.get(SYSTEM))["Boot"]
        assert held["BootSourceOverrideEnabled"] == "Disabled"
        assert held["BootSourceOverrideTarget"] == "None"
        assert attentive(on.device.effects).truth(on.device)["started_from"] == {SYSTEM: "Pxe"}


async def test_a_host_that_starts_over_http_fetches_what_it_is_told() -> None:
    async with bench() as on, shelf(b"a loader") as url:
        for uri in (url, url.removesuffix("/boot.iso") + "/gone.efi"):
            boot = {
                "BootSourceOverrideEnabled": "Once",
                "BootSourceOverrideTarget": "UefiHttp",
                "HttpBootUri": uri,
            }
            assert (await on.ask("PATCH", SYSTEM, json={"Boot": boot}))[0] == 200
            await switched(on, "ForceOff", "Off")
            await switched(on, "On", "On")

            async def loaded(uri: str = uri) -> bool:
                truth = attentive(on.device.effects).truth(on.device)
                return bool(truth.get("loaded", {}).get(SYSTEM, {}).get("uri") == uri)

            await until(loaded)
            truth, there = attentive(on.device.effects).truth(on.device), uri == url
            assert truth["started_from"] == {SYSTEM: "UefiHttp" if there else "usual"}
            assert ("sha256" in truth["loaded"][SYSTEM]) is there
        boot = {"HttpBootUri": "tftp://127.0.0.1/loader.efi"}
        status, said, _ = await on.ask("PATCH", SYSTEM, json={"Boot": boot})
        assert (status, id_of(said)) == (400, "PropertyValueFormatError")


async def test_a_boot_source_nobody_has_is_refused() -> None:
    async with bench() as on:
        for boot in ({"BootSourceOverrideTarget": "Tape"}, {"BootSourceOverrideEnabled": "Twice"}):
            status, said, _ = await on.ask("PATCH", SYSTEM, json={"Boot": boot})
            assert (status, id_of(said)) == (400, "PropertyValueNotInList")
