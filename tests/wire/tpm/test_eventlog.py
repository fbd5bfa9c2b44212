"""Event logs of both shapes, and the registers they lead to."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings

from iolaus.sim.roots.algorithms import HASHINGS
from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.tpm.eventlog import efi_variable, parse_event_log, replay
from iolaus.wire.tpm.pcrs import parse_pcrs
from tests.sim.roots.world import platform
from tests.wire.hostile import event_log, hostile

ZERO = bytes(20)


def old(pcr: int, kind: int, digest: bytes, data: bytes) -> bytes:
    return struct.pack("<II", pcr, kind) + digest + struct.pack("<I", len(data)) + data


OLD = old(0, 8, hashlib.sha1(b"v").digest(), b"v") + old(7, 4, hashlib.sha1(ZERO[:4]).digest(), b"")


@pytest.mark.parametrize("locality", [0, 3])
def test_the_replay_gives_the_registers(locality: int) -> None:
    root = platform(locality=locality)
    log = parse_event_log(root.log())
    assert set(log.banks) == {"sha1", "sha256", "sha384"}
    for bank, name in (("SHA_256", "sha256"), ("SHA_384", "sha384")):
        found = replay(log, name)
        assert [found[n] for n in range(24)] == list(root.registers()[bank])
        assert len(found[0]) == HASHINGS[bank].size


def test_the_shape_of_old() -> None:
    log = parse_event_log(OLD)
    assert log.banks == ("sha1",)
    assert [event.name for event in log.events] == ["EV_S_CRTM_VERSION", "EV_SEPARATOR"]
    first = hashlib.sha1(ZERO + hashlib.sha1(b"v").digest()).digest()
    assert replay(log, "sha1")[0] == first
    with pytest.raises(EvidenceMalformed):
        replay(log, "sha256")


def test_variables_are_named() -> None:
    log = parse_event_log(event_log())
    held = [efi_variable(event) for event in log.events if "VARIABLE_DRIVER" in event.name]
    assert ("SecureBoot", b"\x01") in held
    assert efi_variable(log.events[0]) is None


@pytest.mark.parametrize("cut", [1, 31, 40, -1])
def test_a_cut_log_is_refused(cut: int) -> None:
    with pytest.raises(EvidenceMalformed):
        parse_event_log(event_log()[:cut])


def test_what_follows_the_last_event_is_refused() -> None:
    with pytest.raises(EvidenceMalformed):
        parse_event_log(event_log() + b"\xff\xff\xff")


@given(hostile(event_log(), OLD))
@settings(max_examples=150)
def test_any_bytes_are_a_log_or_malformed(data: bytes) -> None:
    try:
        log = parse_event_log(data)
        for event in log.events:
            efi_variable(event)
        for bank in log.banks:
            replay(log, bank)
    except EvidenceMalformed:
        return


@pytest.mark.shared
def test_recorded_logs_are_read(shared: Path) -> None:
    files = sorted((shared / "trust" / "eventlogs").glob("*.bin"))
    counts = {file.name: len(parse_event_log(file.read_bytes()).events) for file in files}
    assert counts == {
        "event-arch-linux.bin": 25, "event-gce-ubuntu-2104-log.bin": 112,
        "event-postcode.bin": 59, "event-uefivar.bin": 2, "event.bin": 2,
    }  # fmt: skip


@pytest.mark.shared
def test_a_log_is_read_as_the_tools_print_it(shared: Path) -> None:
    folder = shared / "trust" / "eventlogs"
    told = yaml.safe_load((folder / "event.bin.yaml").read_text())
    log = parse_event_log((folder / "event.bin").read_bytes())
    for mine, theirs in zip(log.events[1:], told["events"][1:], strict=True):
        assert (mine.pcr, mine.name) == (theirs["PCRIndex"], theirs["EventType"])
        assert {n: d.hex() for n, d in mine.digests.items()} == {
            each["AlgorithmId"]: each["Digest"] for each in theirs["Digests"]
        }
    for bank, registers in told["pcrs"].items():
        for number, value in registers.items():
            assert int.from_bytes(replay(log, bank)[number], "big") == value


@pytest.mark.shared
def test_a_log_leads_to_the_registers_that_were_read(shared: Path) -> None:
    folder = shared / "trust" / "tpm"
    values = parse_pcrs((folder / "pcrs.txt").read_bytes(), [])
    log = parse_event_log((folder / "eventlog.bin").read_bytes())
    assert set(values) == {"sha1", "sha256"}
    for bank, registers in values.items():
        replayed = replay(log, bank)
        assert {n: replayed[n] for n in registers} == registers
