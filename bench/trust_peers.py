"""`python -m bench.trust peers [write]`: the same transcripts under DMTF's tool and under ours.

The tool `rf_component_integrity` is a few functions of `redfish_utilities` that take a service's
answers as JSON; they are called here without a service. Transcripts are made by the simulator's
roots, honest and not; recorded ones are added where IOLAUS_TRUST_VECTORS names their folder:
`NAME/response.json` with `cert_chain.bin` and `expect.json`, or a bare transcript
(`NAME/meta.json`, `redfish_signed_measurements.bin`, `cert_chain_slotN.bin`), of which the answer
is made here that a service would give. What each accepts is measured, and the reason is its own
word. `write` puts the table into docs/benchmarks.md.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from redfish_utilities import component_integrity as dmtf
from tests.sim.roots.world import NONCE, responder
from tests.trust.judging import AT, anchors

from iolaus.sim.roots.algorithms import HASHINGS
from iolaus.sim.roots.lies import Lie
from iolaus.trust.chains import Anchors, load_anchors
from iolaus.trust.spdm import SpdmEvidence, SpdmQuestion, judge_spdm
from iolaus.wire.certificates import parse_chain

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- trust peers: begin -->\n", "<!-- trust peers: end -->\n"
SECONDS: Final = 2.0
ALGORITHMS: Final = (
    ("SHA_256", "ECDSA_P256", "1.1"),
    ("SHA_384", "ECDSA_P384", "1.2"),
    ("SHA_512", "ECDSA_P521", "1.3"),
    ("SHA_256", "RSASSA_2048", "1.2"),
    ("SHA_384", "RSAPSS_3072", "1.2"),
)
LIES: Final = ("replay", "wrong_nonce", "bad_signature", "forged_root", "debug_mode")


class Vector(NamedTuple):
    """`answer` is the JSON of a service, `pems` the chain from the leaf upwards."""

    name: str
    answer: dict[str, str]
    chain: bytes
    nonce: bytes
    trusted: Anchors
    slot: int = 0

    @property
    def pems(self) -> str:
        ders = parse_chain(self.chain).certificates
        held = [x509.load_der_x509_certificate(der) for der in ders]
        return "".join(each.public_bytes(Encoding.PEM).decode() for each in reversed(held))


def vectors() -> Iterator[Vector]:
    for hashing, signing, version in ALGORITHMS:
        yield _made(f"honest, {signing}, SPDM {version}", (), hashing, signing, version)
    for kind in LIES:
        told = (Lie(f"spdm_{kind}"),)
        yield _made(kind.replace("_", " "), told, "SHA_384", "ECDSA_P384", "1.2")
    whole = _made("", (), "SHA_384", "ECDSA_P384", "1.2")
    raw = base64.b64decode(whole.answer["SignedMeasurements"])
    yield _changed("a bit changed", whole, raw[:-120] + bytes([raw[-120] ^ 1]) + raw[-119:])
    yield _changed("a byte behind the end", whole, raw + b"\0")
    yield whole._replace(name="another's anchors", trusted=Anchors())
    yield from _recorded()


def _made(name: str, lies: tuple[Lie, ...], hashing: str, signing: str, version: str) -> Vector:
    root = responder(*lies, hashing=hashing, signing=signing, version=version)
    for nonce in (bytes(32), NONCE):
        measurements = root.transcript(nonce)
    answer = _answer(version, hashing, signing, measurements)
    chain = root.certified(0).spdm(HASHINGS[hashing])
    return Vector(name, answer, chain, NONCE, anchors())


def _answer(version: str, hashing: str, signing: str, measurements: bytes) -> dict[str, str]:
    """What a service says of them; `signing` as "ECDSA_P384"."""
    family, _, size = signing.partition("_")
    curve = f"ECC_NIST_{size}" if family == "ECDSA" else size
    return {
        "Version": version,
        "HashingAlgorithm": f"TPM_ALG_{hashing}",
        "SigningAlgorithm": f"TPM_ALG_{family}_{curve}",
        "SignedMeasurements": base64.b64encode(measurements).decode(),
    }


def _changed(name: str, of: Vector, data: bytes) -> Vector:
    answer = {**of.answer, "SignedMeasurements": base64.b64encode(data).decode()}
    return of._replace(name=name, answer=answer)


def _recorded() -> Iterator[Vector]:
    folder = os.environ.get("IOLAUS_TRUST_VECTORS")
    for path in sorted(Path(folder).rglob("response.json")) if folder else ():
        answer = json.loads(path.read_text())
        expected = json.loads(path.with_name("expect.json").read_text())
        chain = path.with_name("cert_chain.bin").read_bytes()
        nonce = bytes.fromhex(expected["requested_nonce"])
        known = load_anchors(parse_chain(chain).certificates[:1])
        yield Vector(f"recorded: {path.parent.name}", answer, chain, nonce, known)
    for path in sorted(Path(folder).rglob("meta.json")) if folder else ():
        yield _bare(path)


def _bare(path: Path) -> Vector:
    """A transcript as it was exchanged, put into the answer that would carry it."""
    said = json.loads(path.read_text())
    slot = int(said["summary"]["slot"])
    measurements = path.with_name("redfish_signed_measurements.bin").read_bytes()
    answer = _answer(said["spdm_version"], said["base_hash"], said["base_asym"], measurements)
    chain = path.with_name(f"cert_chain_slot{slot}.bin").read_bytes()
    nonce, known = said["summary"]["nonce"], load_anchors(parse_chain(chain).certificates[:1])
    name = f"recorded: {path.parent.name}"
    return Vector(name, answer, chain, bytes.fromhex(nonce), known, slot)


def theirs(vector: Vector, certificate: str) -> str:
    """ "" where it accepts, else its reason."""
    context = SimpleNamespace(get=lambda _: None)
    told = {
        "ComponentIntegrity": {"ComponentIntegrityType": "SPDM"},
        "Payload": {"Nonce": vector.nonce.hex()},
        "Certificate": {"CertificateString": certificate},
    }
    try:
        answer = SimpleNamespace(dict=vector.answer)
        parsed = dmtf.parse_signed_measurements(answer, told)
        dmtf.verify_signed_measurements(context, parsed)
    except Exception as error:  # noqa: BLE001 - whatever it says is its reason
        return f"{error}"[:90] or type(error).__name__
    return ""


def ours(vector: Vector) -> str:
    """ "" where it is verified, else the axes and the first finding."""
    evidence = SpdmEvidence(
        measurements=base64.b64decode(vector.answer["SignedMeasurements"]),
        chain=vector.chain,
        version=vector.answer["Version"],
        hashing=vector.answer["HashingAlgorithm"],
        signing=vector.answer["SigningAlgorithm"],
    )
    question = SpdmQuestion(nonce=vector.nonce, slot=vector.slot)
    verdict = judge_spdm(evidence, question, vector.trusted, at=AT).verdict
    if verdict.summary in ("verified", "trusted"):
        return ""
    return f"{verdict.summary}: {verdict.findings[0].code if verdict.findings else 'no lifecycle'}"


def _a_second(work: Callable[[], object]) -> float:
    count, begin = 0, time.process_time()
    while (took := time.process_time() - begin) < SECONDS:
        work()
        count += 1
    return count / took


def _counted(lines: Sequence[str]) -> str:
    """Of the recorded ones, how many each accepts."""
    found = [line.split(" | ") for line in lines if line.startswith("| recorded: ")]
    if not found:
        return ""
    each = [sum(cells[n].strip(" |") == "accepts" for cells in found) for n in (1, 2)]
    return f"\nOf {len(found)} recorded transcripts the tool accepts {each[0]}, Iolaus {each[1]}.\n"


def main(*, write: bool) -> None:
    every = list(vectors())
    lines = ["| transcript | `rf_component_integrity` | Iolaus |", "| --- | --- | --- |"]
    for each in every:
        said = (theirs(each, each.pems) or "accepts", ours(each) or "accepts")
        lines.append(f"| {each.name} | {said[0]} | {said[1]} |".replace("\n", " "))
    first = every[1]
    pems = first.pems
    pace = _a_second(lambda: theirs(first, pems)), _a_second(lambda: ours(first))
    told = (
        f"\nOne core's time, ECDSA P-384, SPDM 1.2: {pace[0]:.0f} a second there, {pace[1]:.0f} "
        f"here ({pace[1] / pace[0]:.2f} of its pace), where form, links and identity are judged.\n"
    )
    text = "\n".join(lines) + "\n" + _counted(lines[2:]) + told
    print(text)
    if write:
        page = PAGE.read_text(encoding="utf-8")
        head, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")
