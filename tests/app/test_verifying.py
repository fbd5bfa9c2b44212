"""`iolaus verify` run as a person runs it: files in, one object out, an exit code."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.sim.roots.world import NONCE, SEED, platform, responder
from tests.trust.judging import chain_of
from tests.trust.test_tpm import told

from iolaus.app.verifying import VERIFY_COMMANDS
from iolaus.north.cli import Commands, build_cli, run_cli
from iolaus.sim.roots.chain import anchors
from iolaus.sim.roots.lies import Lie

KEYS = {"evidence", "signature", "identity", "reference", "lifecycle", "summary", "findings"}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    app = build_cli(Commands(version="0", verify=VERIFY_COMMANDS), ["verify"])

    def ran(*line: object) -> tuple[int, str, str]:
        code = run_cli(app, ["verify", *(str(each) for each in line)])
        return code, *capsys.readouterr()

    return ran


@pytest.fixture
def files(tmp_path: Path) -> Path:
    root = responder(version="1.2")
    (tmp_path / "m.bin").write_bytes(root.transcript(NONCE))
    (tmp_path / "chain.bin").write_bytes(chain_of(root))
    (tmp_path / "root.pem").write_text(anchors(SEED))
    (tmp_path / "other.pem").write_text(anchors("another hall"))
    return tmp_path


def spdm(files: Path, *more: object, nonce: bytes = NONCE, measured: str = "m.bin") -> list[object]:
    return [
        "spdm", "--measurements", files / measured, "--chain", files / "chain.bin",
        "--nonce", nonce.hex(), "--slot", 0, *more,
    ]  # fmt: skip


def verdict(out: str) -> dict[str, Any]:
    found = json.loads(out)
    assert set(found) == KEYS
    assert all(set(each) == {"code", "message", "detail"} for each in found["findings"])
    return found  # type: ignore[no-any-return]


def test_good_evidence_is_verified(run: Run, files: Path) -> None:
    code, out, err = run(*spdm(files, "--anchor", files / "root.pem", "-o", "json"))
    assert (code, err) == (0, "")
    assert verdict(out) == {
        "evidence": "fresh", "signature": "valid", "identity": "anchored", "reference": None,
        "lifecycle": "ok", "summary": "verified", "findings": [],
    }  # fmt: skip
    code, out, _ = run(*spdm(files, "--anchor", files / "root.pem"))
    assert (code, out.splitlines()[:2]) == (0, ["summary      verified", "evidence     fresh"])


def test_several_anchors_in_a_row(run: Run, files: Path) -> None:
    roots = (files / "other.pem", files / "root.pem")
    for order in (roots, roots[::-1]):
        assert run(*spdm(files, "--anchor", *order, "-o", "json"))[0] == 0
    repeated = spdm(files, "--anchor", roots[0], "--anchor", roots[1])
    assert run(*repeated)[0] == 0


def test_what_is_not_verified_ends_with_five(run: Run, files: Path) -> None:
    code, out, err = run(*spdm(files, "--anchor", files / "other.pem", "-o", "json"))
    assert (code, err) == (5, "")
    found = verdict(out)
    assert (found["identity"], found["summary"]) == ("unanchored", "unknown")
    assert found["findings"][0]["code"] == "root-unknown"
    asked = spdm(files, "--anchor", files / "root.pem", "-o", "json", nonce=bytes(32))
    code, out, _ = run(*asked)
    assert (code, verdict(out)["evidence"]) == (5, "stale")
    (files / "m.bin").write_bytes((files / "m.bin").read_bytes() + b"\0")
    code, out, _ = run(*spdm(files, "--anchor", files / "root.pem", "-o", "json"))
    assert (code, verdict(out)["evidence"]) == (5, "malformed")


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--hash-algorithm", "TPM_ALG_SHA_384", 0),
        ("--signing-algorithm", "ECDSA_P384", 0),
        ("--spdm-version", "1.2", 0),
        ("--hash-algorithm", "TPM_ALG_SHA_256", 5),
        ("--signing-algorithm", "RSASSA_2048", 5),
        ("--spdm-version", "1.1", 5),
        ("--at", "2030-01-01", 0),
        ("--at", "2030-01-01T00:00:00+02:00", 0),
        ("--at", "1790000000", 0),
        ("--at", "2001-01-01", 5),
    ],
)
def test_what_is_expected_is_compared(
    run: Run, files: Path, option: str, value: str, code: int
) -> None:
    assert run(*spdm(files, "--anchor", files / "root.pem", option, value))[0] == code


def test_the_whole_answer_and_its_base64(run: Run, files: Path) -> None:
    text = base64.b64encode((files / "m.bin").read_bytes())
    (files / "m.b64").write_bytes(text + b"\n")
    said = {"SignedMeasurements": text.decode(), "Version": "1.2.0",
            "HashingAlgorithm": "TPM_ALG_SHA_384"}  # fmt: skip
    (files / "m.json").write_text(json.dumps(said))
    (files / "lie.json").write_text(json.dumps(said | {"Version": "1.1"}))
    (files / "none.json").write_text("{}")
    for name, code in (("m.b64", 0), ("m.json", 0), ("lie.json", 5), ("none.json", 5)):
        line = spdm(files, "--anchor", files / "root.pem", measured=name)
        assert run(*line)[0] == code, name


@pytest.mark.parametrize(
    "wrong",
    [
        ["--nonce", "xyz"], ["--nonce", "00"], ["--slot", "17"], ["--slot", "none"],
        ["--chain", "nowhere"], ["--measurements", "."], ["--anchor", "nowhere"],
        ["--anchor", "{files}/m.bin"], ["--at", "tomorrow"], ["-o", "yaml"], ["--what"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_bad_use_is_two(run: Run, files: Path, wrong: list[str]) -> None:
    line = spdm(files, "--anchor", files / "root.pem")
    code, out, err = run(*line, *(each.format(files=files) for each in wrong))
    assert (code, out) == (2, "")
    assert "rror" in err


def test_what_is_needed_is_asked_for(run: Run, files: Path) -> None:
    assert run(*spdm(files))[0] == 2
    assert run("spdm")[0] == 2
    assert run("tpm")[0] == 2


def written(folder: Path, *lies: Lie) -> list[object]:
    evidence = told(platform(*lies))
    parts = {"quote": evidence.quote, "signature": evidence.signature, "key": evidence.key,
             "eventlog": evidence.event_log or b""}  # fmt: skip
    line: list[object] = ["tpm", "--nonce", NONCE.hex()]
    for name, data in parts.items():
        (folder / name).write_bytes(data)
        line += [f"--{name}", folder / name]
    return line


def test_a_quote_with_its_log(run: Run, files: Path) -> None:
    line = written(files)
    code, out, _ = run(*line, "--anchor", files / "root.pem", "-o", "json")
    assert code == 0
    found = verdict(out)
    assert [each["code"] for each in found.pop("findings")] == ["endorsement-missing"]
    assert found == {
        "evidence": "fresh", "signature": "valid", "identity": "anchored", "reference": None,
        "lifecycle": None, "summary": "verified",
    }  # fmt: skip
    code, out, _ = run(*line, "--anchor", files / "other.pem", "-o", "json")
    assert (code, verdict(out)["identity"]) == (5, "unanchored")
    code, out, _ = run(*line, "-o", "json")  # whose key it is was not asked
    found = verdict(out)
    assert (code, found["identity"]) == (0, None)
    assert [each["code"] for each in found["findings"]] == ["key-unbound"]


def test_whose_key_made_a_quote(run: Run, files: Path) -> None:
    line = written(files)
    held = platform()
    certified = x509.load_pem_x509_certificate((files / "key").read_bytes())
    (files / "ak.pem").write_bytes(
        certified.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (files / "chain.pem").write_bytes((files / "key").read_bytes())
    (files / "ek.pem").write_text(held.certified("ek").pem)
    bare = [each if each != files / "key" else files / "ak.pem" for each in line]
    shown = ["--chain", files / "chain.pem", "--ek", files / "ek.pem"]
    assert run(*bare, *shown, "-o", "json")[0] == 2  # whom to trust is not said
    root = ["--anchor", files / "root.pem", "-o", "json"]

    def told(*more: object) -> tuple[int, str | None, list[str]]:
        code, out, _ = run(*more, *root)
        found = verdict(out)
        return code, found["identity"], [each["code"] for each in found["findings"]]

    assert told(*bare, *shown) == (0, "anchored", ["key-bound"])
    assert told(*line, *shown[2:]) == (0, "anchored", ["key-bound"])
    assert told(*bare, *shown[2:]) == (5, "unanchored", ["key-unbound", "endorsement-not-bound"])
    (files / "ak.pem").write_bytes(
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    code, identity, codes = told(*bare, *shown)
    assert (code, identity) == (5, "unanchored")
    assert "chain-of-another-key" in codes


@pytest.mark.parametrize("kind", ["replay", "bad_signature", "log_edited"])
def test_a_quote_that_lies(run: Run, files: Path, kind: str) -> None:
    line = written(files, Lie(f"tpm_{kind}"))
    code, out, _ = run(*line, "--anchor", files / "root.pem", "-o", "json")
    assert code == 5
    assert verdict(out)["findings"]


@pytest.mark.shared
def test_recorded_evidence(run: Run, shared: Path) -> None:
    trust = shared / "trust"
    for folder in sorted((trust / "spdm").iterdir()):
        meta = json.loads((folder / "meta.json").read_text())["summary"]
        line = [
            "spdm", "--measurements", folder / "redfish_signed_measurements.bin",
            "--chain", folder / f"cert_chain_slot{meta['slot']}.bin", "--nonce", meta["nonce"],
            "--slot", meta["slot"], "--at", "2026-11-21", "-o", "json",
            "--anchor", *sorted((trust / "anchors").glob("*.der")),
        ]  # fmt: skip
        code, out, _ = run(*line)
        assert verdict(out)["signature"] == "valid"
        assert code == (5 if meta["slot"] else 0), folder.name  # slot 1 has a root of its own
    for name in ("ecc-sha256-ecdsa", "rsa-sha256-rsassa"):
        quote = trust / "tpm" / f"q_{name}_sha256-0-1-2-3-4-5-6-7"
        code, out, _ = run(
            "tpm", "--quote", f"{quote}.attest", "--signature", f"{quote}.sig",
            "--key", trust / "tpm" / f"ak_{name}.pem", "--pcrs", f"{quote}.pcrs",
            "--nonce", Path(f"{quote}.nonce").read_text().strip(),
            "--eventlog", trust / "tpm" / "eventlog.bin", "-o", "json",
        )  # fmt: skip
        assert code == 0, out


def nvidia(shared: Path, *more: object) -> list[object]:
    folder = shared / "trust" / "nvidia"
    return [
        *more, "--anchor", folder / "roots" / "verifier_device_root.pem", "--rim", folder / "rim",
        "--rim-anchor", folder / "roots" / "verifier_RIM_root.pem", "-o", "json",
    ]  # fmt: skip


@pytest.mark.shared
def test_recorded_accelerators(run: Run, shared: Path) -> None:
    folder = shared / "trust" / "nvidia" / "evidence"
    switch = json.loads((folder / "switch_evidence_ls10.json").read_text())[0]
    line = nvidia(shared, "nvidia", folder / "switch_evidence_ls10.json")
    code, out, _ = run(*line, "--nonce", switch["nonce"], "--at", "2026-11-21")
    found = verdict(out)
    assert (code, found["reference"], found["evidence"]) == (0, "match", "fresh")
    code, out, _ = run(*line, "--nonce", "00" * 32, "--at", "2026-11-21")
    assert (code, verdict(out)["evidence"]) == (5, "stale")
    hopper = nvidia(shared, "nvidia", folder / "hopperAttestationReport.txt", "--chain",
                    folder / "hopperCertChain.txt")  # fmt: skip
    code, out, _ = run(*hopper, "--at", "2026-11-21")
    assert (code, verdict(out)["reference"]) == (5, "expired")
    code, out, _ = run(*hopper, "--at", "2024-03-01")
    assert (code, verdict(out)["reference"]) == (0, "match")


@pytest.mark.shared
def test_accelerators_without_their_manifest(run: Run, shared: Path, tmp_path: Path) -> None:
    evidence = shared / "trust" / "nvidia" / "evidence" / "switch_evidence_ls10.json"
    (tmp_path / "notes.txt").write_text("no manifest at all")
    line = nvidia(shared, "nvidia", evidence)
    line[line.index("--rim") + 1] = tmp_path
    code, out, _ = run(*line, "--at", "2026-11-21")
    found = verdict(out)
    assert (code, found["reference"]) == (5, "none")
    assert "notes.txt" in out
    (tmp_path / "evidence").write_text("nothing")
    line[line.index(evidence)] = tmp_path / "evidence"
    code, out, _ = run(*line)
    assert (code, verdict(out)["evidence"]) == (5, "malformed")
