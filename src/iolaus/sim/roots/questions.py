"""The bodies of the two actions, read strictly: what is asked for, or what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iolaus.sim.roots import tpm
from iolaus.sim.roots.algorithms import SHA256, Hashing
from iolaus.sim.roots.asking import Refused
from iolaus.sim.roots.spdm import ALL
from iolaus.sim.roots.tpm import Selection

Body = Mapping[str, Any]
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmQuestion:
    """What to quote, with which key ("ecc", "rsa"), by which scheme and hash."""

    nonce: bytes
    selection: Selection
    key: str = "ecc"
    scheme: int = tpm.ECDSA
    hashing: Hashing = SHA256


def spdm_question(body: Body, fresh: bytes) -> tuple[bytes, list[int], int]:
    """Nonce (`fresh` if none came), block indices and slot. Raises Refused."""
    _known(body, "Nonce", "MeasurementIndices", "SlotId")
    nonce = _nonce(body, fresh)
    if len(nonce) != 32:
        raise Refused("Nonce", f"{len(nonce)} bytes")
    slot = body.get("SlotId", 0)
    if not _is_number(slot) or not 0 <= slot <= 7:
        raise Refused("SlotId", str(slot))
    return nonce, _indices(body.get("MeasurementIndices", [ALL])), slot


def _indices(value: Any) -> list[int]:
    right = isinstance(value, list) and value and all(_is_number(n) for n in value)
    if not right or len(set(value)) != len(value) or not all(0 <= n <= ALL for n in value):
        raise Refused("MeasurementIndices", str(value)[:80])
    if ALL in value and len(value) > 1:
        raise Refused("MeasurementIndices", str(value)[:80])
    return list(value)


def tpm_question(body: Body, keys: Mapping[str, str], fresh: bytes, longest: int) -> TpmQuestion:
    """`keys`: the URI of an attestation key's certificate, and which key that is."""
    _known(body, "Nonce", "Certificate", "PCRSelection", "Scheme")
    nonce = _nonce(body, fresh)
    if len(nonce) > longest:
        raise Refused("Nonce", f"{len(nonce)} bytes")
    link = body.get("Certificate")
    target = str(link.get("@odata.id")) if isinstance(link, dict) else str(link)
    key = keys.get(target.rstrip("/"))
    if key is None:
        raise Refused("Certificate", target[:200])
    selection = tpm.parse_selection(_base64(body, "PCRSelection"))
    if selection is None:
        raise Refused("PCRSelection", str(body["PCRSelection"])[:80])
    scheme = tpm.parse_scheme(_base64(body, "Scheme"), key)
    if scheme is None:
        raise Refused("Scheme", str(body["Scheme"])[:80])
    return TpmQuestion(
        nonce=nonce, selection=selection, key=key, scheme=scheme[0], hashing=scheme[1]
    )


def _known(body: Body, *names: str) -> None:
    for name in body:
        if name not in names:
            raise Refused(name, "not a parameter")


def _nonce(body: Body, fresh: bytes) -> bytes:
    value = body.get("Nonce")
    if value is None:
        return fresh
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise Refused("Nonce", str(value)[:80])
    return bytes.fromhex(value)


def _base64(body: Body, name: str) -> bytes:
    value = body.get(name)
    try:
        return base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except (ValueError, binascii.Error):
        raise Refused(name, str(value)[:80]) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
