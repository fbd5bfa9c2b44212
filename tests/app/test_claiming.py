"""Versions that machines report, looked up in packages: seen everywhere, and proving nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.app.test_attestation import DPU, attesting, judged
from tests.app.test_importing import pem
from tests.survival.stage import Stage
from tests.trust.test_reviews import IMAGE, KEY
from tests.trust.test_reviews import signed as report

from iolaus.app.references import References
from iolaus.north.context import PackageOrder, ReferenceOrder
from iolaus.sim.firmware.examples import example

BMC, RUNS, NEWER = "BMC_Firmware", "BF-25.04-7", "BF-25.07-1"
AXES = ("evidence", "signature", "identity", "reference", "lifecycle", "summary", "standing")
CLAIMS = {"version-in-package", "version-in-no-package"}


async def packaged(on: Stage, folder: Path, version: str, **more: Any) -> str:
    path = folder / f"{version}.fwpkg"
    path.write_bytes(example(DPU, {BMC: version}, images={BMC: IMAGE}))
    importing = References(shelf=on.house.state.references, clock=on.house.clock)
    order = PackageOrder(source=path.name, path=path, **more)
    return (await importing.take_package(order, by="ana", keep=True)).name


async def claims(on: Stage) -> list[dict[str, Any]]:
    rows = await on.listed("attestations")
    return [each for row in rows for each in row["findings"] if each["code"] in CLAIMS]


async def axes(on: Stage) -> list[list[str]]:
    return [[str(row[name]) for name in AXES] for row in await on.listed("attestations")]


async def firmware(on: Stage) -> dict[str, Any]:
    document = await on.get("fbom")
    (device,) = document["components"]
    found = next(each for each in device["components"] if each["bom-ref"].endswith(f"/{BMC}"))
    told = {each["name"].removeprefix("iolaus:"): each["value"] for each in found["properties"]}
    return {**found, **told}


async def told(on: Stage, code: str) -> dict[str, Any]:
    async def said() -> dict[str, Any] | None:
        found = await claims(on)
        return found[0] if found and found[0]["code"] == code else None

    found: dict[str, Any] = await on.until(said, f"{code} is told")
    return found


async def test_a_reported_version_is_found_in_a_package_and_proves_nothing(tmp_path: Path) -> None:
    async with attesting(tmp_path, DPU) as on:
        await judged(on, 2)
        before = await axes(on)
        assert await claims(on) == []
        name = await packaged(on, tmp_path, RUNS)
        found = await told(on, "version-in-package")
        assert found["detail"]["label"] == "claimed"
        assert (found["detail"]["package"], found["detail"]["version"]) == (name, RUNS)
        assert found["detail"]["joined_by"] == "version only"
        assert "hashes" not in await firmware(on)  # by its version alone is not certain enough
        await on.house.state.references.remove(name)
        name = await packaged(on, tmp_path, RUNS, meant=(BMC,))
        reviewed = ReferenceOrder(
            source="r.jws", data=report(), anchors=(("Reviewers/key.pem", pem(KEY)),)
        )
        importing = References(shelf=on.house.state.references, clock=on.house.clock)
        await importing.take(reviewed, by="ana", keep=True)

        async def joined() -> bool:
            return "reviewed" in (await claims(on))[0]["detail"]

        await on.until(joined, "the review is joined")
        entry = await firmware(on)
        assert entry["supplier"] == {"name": "Mellanox"}
        assert [each["alg"] for each in entry["hashes"]] == ["SHA-256", "SHA-384", "SHA-512"]
        assert (entry["package"], entry["packageJoinedBy"]) == (name, "its importer's word")
        assert "Reviewers" in entry["reviewed"]
        assert await axes(on) == before
        async with on._http.get(f"{on.url}/ui/trust/{DPU}:Bluefield_ERoT") as page:
            assert "version-in-package" in await page.text()


async def test_a_version_that_no_package_holds_is_told_and_moves_no_axis(tmp_path: Path) -> None:
    async with attesting(tmp_path, DPU) as on:
        await judged(on, 2)
        before = await axes(on)
        await packaged(on, tmp_path, NEWER, meant=(BMC,))
        found = await told(on, "version-in-no-package")
        assert found["detail"]["known"] == [NEWER]
        assert RUNS in found["message"]
        assert await axes(on) == before
        assert (await firmware(on))["package"] == "none that is known"
