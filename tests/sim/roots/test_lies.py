"""Each lie is told in one way only: everything else of the transcript is as an honest one's."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from iolaus.sim.presets import PRESETS
from iolaus.sim.roots.firmware import Image
from iolaus.sim.roots.lies import LIES, Lie
from iolaus.sim.rules import parse_rules
from tests.sim.roots.spdm_verifier import Block, Pair, Rejected, Transcript, parse
from tests.sim.roots.world import NONCE, checked, responder

VERSIONS = pytest.mark.parametrize("version", ["1.1", "1.2", "1.3"])


def parsed(version: str, *lies: Lie, asks: int = 1) -> tuple[Transcript, str]:
    """A transcript, and why the verifier rejects it ("" if it does not)."""
    root = responder(*lies, version=version)
    for _ in range(asks):
        data = root.transcript(NONCE)
    try:
        checked(root, data)
    except Rejected as why:
        return parse(data, version, "ECDSA_P384"), str(why).split(":")[0]
    return parse(data, version, "ECDSA_P384"), ""


def differences(one: Transcript, other: Transcript) -> set[str]:
    """In what two transcripts differ: names of fields, and indices of blocks."""
    (mine,), (yours,) = one.pairs, other.pairs
    found = {
        part.name
        for part in fields(Pair)
        if part.name != "blocks" and getattr(mine, part.name) != getattr(yours, part.name)
    }
    assert [b.index for b in mine.blocks] == [b.index for b in yours.blocks]
    pairs = zip(mine.blocks, yours.blocks, strict=True)
    found |= {f"block {a.index}" for a, b in pairs if a != b}
    if one.negotiated != other.negotiated or one.minor != other.minor:
        found.add("negotiated")
    return found


@VERSIONS
@pytest.mark.parametrize(
    ("kind", "changed", "verdict"),
    [
        ("spdm_replay", {"nonce"}, "stale"),
        ("spdm_wrong_nonce", {"nonce"}, "stale"),
        ("spdm_bad_signature", set(), "signature"),
        ("spdm_forged_root", set(), "unanchored"),
        ("spdm_swapped_identity", set(), ""),
        ("spdm_stale_firmware", {"block 2", "block 3"}, ""),
        ("spdm_tampered", {"block 2", "block 3"}, ""),
        ("spdm_debug_mode", {"block 254"}, ""),
    ],
)
def test_a_lie_changes_one_thing(version: str, kind: str, changed: set[str], verdict: str) -> None:
    honest, fine = parsed(version)
    lying, why = parsed(version, Lie(kind))
    assert fine == ""
    assert why == verdict
    assert differences(honest, lying) == changed


def test_the_lies_are_all_of_them() -> None:
    assert {name.replace("-", "_") for name in PRESETS if name[:4] in ("spdm", "tpm-")} == set(LIES)
    for name in LIES:
        (rule,) = parse_rules([{"preset": name.replace("_", "-")}], source="test")
        assert rule.lie == name


def test_a_replay_is_the_same_bytes_whatever_is_asked() -> None:
    root = responder(Lie("spdm_replay"), version="1.2")
    first = root.transcript(NONCE)
    assert root.transcript(bytes(32)) == first
    old = parse(first, "1.2", "").pairs[0].nonce
    checked(root, first, nonce=old)  # it is genuine, only not fresh


def test_a_bad_signature_differs_by_one_bit() -> None:
    honest = responder().transcript(NONCE)
    lying = responder(Lie("spdm_bad_signature")).transcript(NONCE)
    assert honest[:-1] == lying[:-1]
    assert honest[-1] ^ lying[-1] == 1


def test_a_forger_has_the_right_names_and_the_wrong_keys() -> None:
    honest, forged = responder().certified(0), responder(Lie("spdm_forged_root")).certified(0)
    for mine, theirs in zip(honest.chain, forged.chain, strict=True):
        assert mine.subject == theirs.subject
        assert mine.public_key() != theirs.public_key()


def test_a_swapped_identity_is_another_devices_own() -> None:
    swapped = responder(Lie("spdm_swapped_identity", names=("h1-r02-u04",))).certified(0)
    other = responder()
    other.setting.who = replace(other.setting.who, device="h1-r02-u04")
    assert swapped.chain == other.certified(0).chain
    assert swapped.leaf.subject != responder().certified(0).leaf.subject


def test_stale_firmware_is_an_older_version_under_a_newer_name() -> None:
    lying, _ = parsed("1.1", Lie("spdm_stale_firmware"))
    blocks: dict[int, Block] = {block.index: block for block in lying.blocks}
    assert blocks[0x21].value == b"97.10.3A.00.07"
    hashing = responder().suite.hashing
    assert blocks[3].value == Image("GPU", "97.10.3A.00.06").digest(hashing)


def test_a_lie_concerns_the_roots_that_its_path_names() -> None:
    honest, _ = parsed("1.1")
    elsewhere, why = parsed("1.1", Lie("spdm_debug_mode", path="*/HGX_*"))
    assert (differences(honest, elsewhere), why) == (set(), "")


def test_a_lie_can_be_taken_back() -> None:
    root = responder(Lie("spdm_debug_mode"))
    root.setting.lies.stop(Lie("spdm_debug_mode"))
    found = parse(root.transcript(NONCE), "1.1", "ECDSA_P384")
    assert differences(found, parsed("1.1")[0]) == set()
