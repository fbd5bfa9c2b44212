"""Leases of DHCP servers: what is in use is found, and nothing that is written there hurts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.recovery.leases import Lease, parse_leases, told_by_hook

KEA = """\
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context
10.0.0.5,3c:ec:ef:00:11:22,,3600,1700000000,1,0,0,idrac-9XK2.,0,
10.0.0.6,3c:ec:ef:00:11:23,,3600,1700000000,1,0,0,,0,
10.0.0.6,3c:ec:ef:00:11:23,,0,1700000000,1,0,0,,0,
10.0.0.5,3c:ec:ef:00:11:99,,3600,1700000100,1,0,0,,0,
nonsense,,,,
"""
DNSMASQ = """\
1700000000 3c:ec:ef:00:11:22 10.0.0.5 bmc-1 01:3c:ec:ef:00:11:22
1700000000 3c:ec:ef:00:11:23 10.0.0.6 * *
duid 00:01:00:01
1700000000 short
"""


def test_the_newest_line_of_an_address_counts_and_what_ended_is_gone() -> None:
    found = parse_leases(KEA)
    assert found.found == (Lease("10.0.0.5", "3cecef001199"),)
    assert found.skipped == 1


def test_lines_of_dnsmasq_are_read() -> None:
    found = parse_leases(DNSMASQ)
    assert found.found == (
        Lease("10.0.0.5", "3cecef001122", "bmc-1"),
        Lease("10.0.0.6", "3cecef001123"),
    )
    assert found.skipped == 1


def test_hooks_say_one_lease() -> None:
    words = ["add", "3c:ec:ef:00:11:22", "10.0.0.5", "bmc-1"]
    assert told_by_hook(words, {}) == Lease("10.0.0.5", "3cecef001122", "bmc-1")
    assert told_by_hook(["del", *words[1:]], {}) is None
    kea = {"LEASE4_ADDRESS": "10.0.0.7", "LEASE4_HWADDR": "3c:ec:ef:00:11:24"}
    assert told_by_hook(["lease4_renew"], kea) == Lease("10.0.0.7", "3cecef001124")
    assert told_by_hook(["lease4_expire"], kea) is None
    several = {"LEASES4_AT0_ADDRESS": "10.0.0.8", "LEASES4_AT0_HWADDR": "3c:ec:ef:00:11:25"}
    assert told_by_hook(["leases4_committed"], several) == Lease("10.0.0.8", "3cecef001125")


@settings(max_examples=150)
@given(
    st.one_of(st.text(max_size=300), st.text(max_size=200).map(lambda t: "address,hwaddr\n" + t))
)
def test_any_text_gives_leases_and_no_error(text: str) -> None:
    found = parse_leases(text)
    assert all(lease.mac for lease in found.found)
