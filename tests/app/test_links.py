"""Who vouches for which firmware is joined where that is certain, and nowhere else."""

from __future__ import annotations

from iolaus.app.links import links_of, vouches
from iolaus.model.appraisal import Appraisal
from iolaus.model.asset import Firmware
from iolaus.model.reference import Provenance, ReferenceSet, SourceKind
from iolaus.model.trust import Verdict


def entry(component: str, version: str = "1.0", *related: str) -> Firmware:
    return Firmware(
        component=component, name=component, version=version, asset="S", uri="/x", related=related
    )


def held(name: str, *parts: str, at: str = "", references: tuple[str, ...] = ()) -> Appraisal:
    return Appraisal(
        endpoint="e", uri=f"/{name}", name=name, asset="a", key="S", protocol="SPDM",
        verdict=Verdict(), judged_at=0.0, since=0.0, parts=parts, references=references,
        protects=(at,) if at else (),
    )  # fmt: skip


def joined(entries: list[Firmware], *appraisals: Appraisal) -> list[tuple[str, str]]:
    return [(v.component, v.attester) for v in links_of(entries, [], appraisals, {})]


def test_it_is_joined_by_what_was_measured_and_of_several_by_place_or_number() -> None:
    gpus = [held(f"RoT_GPU_{n}", "Acme FW_GPU", at=f"/gpu{n}") for n in range(3)]
    assert joined([entry("FW_GPU_2")], *gpus) == [("FW_GPU_2", "RoT_GPU_2")]
    assert joined([entry("FW_GPU_9", "1.0", "/gpu1")], *gpus) == [("FW_GPU_9", "RoT_GPU_1")]
    assert joined([entry("FW_GPU_9")], *gpus) == []
    assert joined([entry("FW_NIC_0")], *gpus) == []
    assert joined([entry("FW_BMC_0")], held("RoT", "Acme NVIDIA:FW_BMC")) == [("FW_BMC_0", "RoT")]


def test_it_is_joined_by_the_resource_where_the_release_that_was_proved_is_reported() -> None:
    source = Provenance(source="x", kind=SourceKind.RIM)
    release = ReferenceSet(
        name="Acme GH100 9", part="Acme GH100", version="9", values=(), provenance=source
    )
    gpu = held("RoT_A", "Acme GH100", at="/gpu", references=("Acme GH100 9",))
    for version, found in (("9", ["Acme GH100"]), ("8", [])):
        links = links_of([entry("VBIOS", version, "/gpu")], [], [gpu], {release.name: release})
        assert [each.part for each in links] == found


def test_one_by_itself_does_not_vouch_for_what_has_another_number() -> None:
    gpu = held("RoT_GPU_1", "Acme FW_GPU")
    assert vouches(entry("FW_GPU_1"), None, gpu)
    assert not vouches(entry("FW_GPU_0"), None, gpu)
    assert not vouches(entry("FW_NIC"), None, gpu)
