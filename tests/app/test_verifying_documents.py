"""`iolaus verify corim|safe|package` run as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.app.test_references import MAKER, RIM
from tests.app.test_verifying import Run, run, verdict
from tests.trust.test_packages import INFO, PEM, RSA, firmware
from tests.trust.test_reviews import IMAGE, KEY, signed
from tests.wire.pldm.test_package import built
from tests.wire.tarball.test_archive import tar

from iolaus.wire.safe import parse_report

__all__ = ["run"]
THEN = ("--at", "2026-02-01")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    keys = tmp_path / "keys" / "Reviewers"
    keys.mkdir(parents=True)
    (keys / "key.pem").write_bytes(KEY.public_key().public_bytes(PEM, INFO))
    (tmp_path / "keys" / "maker.pub").write_bytes(RSA.public_key().public_bytes(PEM, INFO))
    report = signed()
    (tmp_path / "r.jws").write_bytes(report)
    (tmp_path / "r.json").write_bytes(parse_report(report).payload)
    (tmp_path / "fw.bin").write_bytes(IMAGE)
    (tmp_path / "other.bin").write_bytes(b"other")
    (tmp_path / "board.swidtag").write_bytes(RIM)
    (tmp_path / "root.der").write_bytes(MAKER.chain[-1].public_bytes(Encoding.DER))
    (tmp_path / "p.fwpkg").write_bytes(built())
    (tmp_path / "bmc.tar").write_bytes(tar(firmware(RSA)))
    return tmp_path


def told(found: tuple[int, str, str]) -> tuple[int, dict[str, Any]]:
    code, out, err = found
    assert err == ""
    return code, verdict(out)


def codes(found: dict[str, Any]) -> list[str]:
    return [each["code"] for each in found["findings"]]


def test_a_manifest(run: Run, files: Path) -> None:
    line = ("corim", files / "board.swidtag", "--anchor", files / "root.der", "-o", "json")
    code, found = told(run(*line, *THEN))
    assert (code, found["summary"], found["identity"]) == (0, "verified", "anchored")
    code, found = told(run(*line, "--at", "2029-01-01"))
    assert (code, found["reference"], codes(found)) == (5, "expired", ["reference-expired"])
    code, found = told(run("corim", files / "board.swidtag", "-o", "json", *THEN))
    assert (code, found["identity"]) == (5, "unanchored")
    code, found = told(run("corim", files / "fw.bin", "-o", "json"))
    assert (code, found["evidence"]) == (5, "malformed")
    code, out, _ = run(*line[:4], *THEN)
    assert (code, "2 of BOARD GPU 1.2" in out) == (0, True)


def test_reports_and_their_images(run: Run, files: Path) -> None:
    line = ("safe", files / "r.jws", "--keys", files / "keys", "-o", "json")
    code, found = told(run(*line))
    assert (code, found["summary"], found["reference"]) == (0, "verified", None)
    assert codes(found) == ["open-issue"]
    code, found = told(run(*line, "--image", files / "other.bin", "--image", files / "fw.bin"))
    assert (code, found["reference"]) == (0, "match")
    code, found = told(run(*line, "--image", files / "other.bin"))
    assert (code, found["summary"], found["reference"]) == (5, "untrusted", "mismatch")
    code, found = told(run("safe", files / "fw.bin", *line[1:]))
    assert (code, found["evidence"]) == (5, "malformed")
    assert found["findings"][0]["detail"]["report"] == "fw.bin"


def test_a_sidecar_is_looked_at(run: Run, files: Path) -> None:
    line = ("safe", files / "r.jws", "--keys", files / "keys", "-o", "json")
    (files / "r.json").write_text(json.dumps({"device": {}}))
    assert "sidecar-differs" in codes(told(run(*line))[1])
    (files / "r.json").unlink()
    assert "sidecar-missing" in codes(told(run(*line))[1])


def test_a_package(run: Run, files: Path) -> None:
    code, found = told(run("package", files / "p.fwpkg", "-o", "json"))
    assert (code, found["summary"], found["signature"]) == (0, "verified", None)
    assert codes(found) == ["not-signed", "contents"]
    assert len(found["findings"][1]["detail"]["images"]) == 3
    code, found = told(run("package", files / "fw.bin", "-o", "json"))
    assert (code, found["evidence"]) == (5, "malformed")


def test_an_archive(run: Run, files: Path) -> None:
    line = ("package", files / "bmc.tar", "-o", "json")
    code, found = told(run(*line, "--keys", files / "keys"))
    assert (code, found["signature"], found["identity"]) == (0, "valid", "anchored")
    code, found = told(run(*line))
    assert (code, found["signature"]) == (5, "unverified")


def test_bad_use_is_told(run: Run, files: Path) -> None:
    for line in (
        ("corim", files / "none"),
        ("corim", files / "board.swidtag", "--anchor", files / "fw.bin"),
        ("corim", files / "board.swidtag", "--at", "soon"),
        ("safe", files / "r.jws", "--keys", files / "none"),
        ("safe", files / "r.jws"),
        ("package", files),
        ("package", files / "p.fwpkg", "--keys", files / "fw.bin"),
    ):
        code, out, err = run(*line)
        assert (code, out) == (2, ""), line
        assert err


@pytest.mark.shared
def test_all_published_reports_at_once(run: Run, shared: Path) -> None:
    folder = shared / "trust" / "safe"
    reports = sorted((folder / "reports").rglob("*.jws"))
    code, found = told(run("safe", *reports, "--keys", folder / "SRP_certificates", "-o", "json"))
    assert (code, found["signature"], found["identity"]) == (0, "valid", "anchored")
    assert set(codes(found)) <= {"open-issue", "image-digest-wrong"}
