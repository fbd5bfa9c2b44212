"""A policy file of an operator: used, absent, or told where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from iolaus.fleet.document import BadFile
from iolaus.fleet.policies import load_policies
from iolaus.kernel.errors import OperatorMust
from tests.north.cli.test_golden import run
from tests.trust.test_policy import TEXT

PRODUCTS = (
    TEXT
    + """\
  products:
    - {product: "Platform*", kinds: [bmc], models: ["M100*"], scheme: suffix}
"""
)


def test_it_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    assert load_policies(path) == []
    path.write_text(PRODUCTS)
    (policy,) = load_policies(path)
    (product,) = policy.spec.products
    assert product.mapped().kinds == ("bmc",)
    path.write_text(PRODUCTS.replace("scheme", "sceme"))
    with pytest.raises(BadFile, match="this key is not known"):
        load_policies(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OperatorMust, match="cannot be read"):
        load_policies(path)


def test_the_command_line_checks_it(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(TEXT)
    assert "1 policy is valid" in run(f"validate {path}")
    path.write_text(TEXT.replace("reference/expired", "signature/invalid"))
    told = run(f"validate {path}")
    assert "policy.yaml:8:" in told
    assert "signature/invalid" in told
    assert told.endswith("--- exit code 2\n")
