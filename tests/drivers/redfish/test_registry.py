"""Vendor folders are found by their manifests, and the generic driver serves the rest."""

from __future__ import annotations

import pytest

from iolaus.drivers import registry
from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import WeErred
from tests.drivers.redfish import trees
from tests.drivers.redfish.fake import ROOT, FakeDevice

GOOD = 'name = "x"\norder = 1\ncodeowner = "@x"\nbecause = "y"\n[match]\nvendor = "^X"\n'


def test_every_folder_has_a_manifest_with_a_reason_and_repairs_or_claims_nobody() -> None:
    assert registry.manifests()
    for manifest, folder in registry.manifests():
        assert manifest.because.strip()
        assert manifest.codeowner.startswith("@")
        assert registry.repairs_of(folder) or not manifest.match


def test_what_no_manifest_claims_is_served_by_the_generic_driver() -> None:
    assert registry.find_driver({"vendor": "Nobody"}).name == "redfish"
    assert registry.find_driver({}).name == "redfish"


def test_all_rules_of_a_manifest_must_be_found() -> None:
    claims = registry.load_manifest(GOOD + 'product = "9"', folder="x").claims
    assert claims({"vendor": "X Corp", "product": "Gen9"})
    assert not claims({"vendor": "X Corp"})


@pytest.mark.parametrize(
    "text", ["", "not toml", GOOD.replace("^X", "("), GOOD + 'shape = "x"', "colour = 1\n" + GOOD]
)
def test_a_broken_manifest_is_our_own_error_and_names_the_folder(text: str) -> None:
    with pytest.raises(WeErred, match="acme"):
        registry.load_manifest(text, folder="acme")


async def test_identify_asks_a_chassis_where_the_root_names_no_vendor() -> None:
    tree = trees.server()
    tree[f"{ROOT}/Chassis/1"]["Manufacturer"] = "Acme Inc."
    told = await RedfishDriver().identify(FakeDevice(tree))
    assert told["manufacturer"] == "Acme Inc."
    tree[ROOT]["Vendor"] = "Acme"
    device = FakeDevice(tree)
    assert (await RedfishDriver().identify(device))["vendor"] == "Acme"
    assert device.asked == [ROOT]
