"""`iolaus reference sign`: a file of values in, a document that imports like a maker's out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.trust.test_own import PEM, pem

from iolaus.app.references import kept_of
from iolaus.app.signing_references import read_values, reference_sign
from iolaus.kernel.errors import OperatorMust
from iolaus.model.reference import SourceKind
from iolaus.north.cli import Commands, build_cli, run_cli
from iolaus.north.context import ReferenceOrder

KEY = ec.generate_private_key(ec.SECP384R1())
VALUES = f"""
name: hall 1
items:
  - vendor: ACME
    model: Trap
    version: "1.2"
    values:
      - {{index: 1, sha384: ["{"ab" * 48}", "{"cd" * 48}"]}}
      - {{index: 2, raw: "0102", mask: "ff00"}}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "hall.key").write_bytes(KEY.private_bytes(PEM, form, none))
    (tmp_path / "values.yaml").write_text(VALUES)
    return tmp_path


def run(files: Path, *more: str, values: str = "values.yaml", key: str = "hall.key") -> int:
    app = build_cli(Commands(version="0", reference={"sign": reference_sign}), ["reference"])
    line = ["reference", "sign", str(files / values), "--key", str(files / key)]
    return run_cli(app, [*line, "-o", str(files / "out.corim"), *more])


def test_what_is_signed_is_imported_with_the_public_key(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(files, "--days", "30") == 0
    assert "2 values of 1 parts" in capsys.readouterr().err
    data = (files / "out.corim").read_bytes()
    order = ReferenceOrder(source="out.corim", data=data, anchors=(("hall.pub", pem(KEY)),))
    kept = kept_of(order, by="ana", at=time.time() + 60)
    assert (kept.provenance.genuine, kept.provenance.kind) == (True, SourceKind.BASELINE)
    digests, raw = kept.sets[0].values
    assert [each.value for each in digests.digests] == [b"\xab" * 48, b"\xcd" * 48]
    assert (raw.raw, raw.mask) == (b"\x01\x02", b"\xff\x00")
    assert run(files) == 2
    assert "not there yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("ab" * 48, "ab", "are no sha384"),
        ('raw: "0102", ', "", "either digests or a raw"),
        ('mask: "ff00"', 'mask: "ff"', "a mask is as long"),
        ("index: 1", "indx: 1", "indx"),
        ("name: hall 1", "- a", "no YAML"),
    ],
)
def test_what_is_wrong_is_told(old: str, new: str, told: str) -> None:
    with pytest.raises(OperatorMust, match=told):
        read_values(VALUES.replace(old, new).encode(), subject="values.yaml")


def test_bad_use_is_told(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, key="values.yaml") == 2
    assert run(files, values="none.yaml") == 2
    assert not (files / "out.corim").exists()
    assert "BEGIN" not in capsys.readouterr().err
