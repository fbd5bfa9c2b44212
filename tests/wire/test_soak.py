"""Ten minutes of spoilt bytes for each parser of evidence: no crash, no hang, bounded memory."""

from __future__ import annotations

from iolaus.trust.spdm import SpdmEvidence, SpdmQuestion, judge_spdm
from iolaus.trust.tpm import TpmEvidence, judge_tpm
from iolaus.wire.archive import parse_archive
from iolaus.wire.certificates import parse_certificates, parse_chain
from iolaus.wire.dice import parse_multi_tcb_info, parse_tcb_info
from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.spdm.answer import parse_answer
from iolaus.wire.spdm.bundle import parse_bundle
from iolaus.wire.spdm.opaque import parse_general, parse_tlv
from iolaus.wire.spdm.parse import parse_transcript
from iolaus.wire.tpm.eventlog import parse_event_log, replay
from iolaus.wire.tpm.pcrs import parse_pcrs
from iolaus.wire.tpm.public import parse_public
from iolaus.wire.tpm.quote import PcrBank, parse_quote, parse_signature, parse_signed_quote
from tests.sim.roots.world import NONCE
from tests.trust.judging import AT, anchors
from tests.wire.hostile import (
    chain,
    chain_pem,
    event_log,
    measurements,
    signed_quote,
    split_quote,
)
from tests.wire.soaking import Parser, soak, soaks
from tests.wire.spdm.test_answer import BODY as ANSWER_BODY
from tests.wire.spdm.test_answer import TEXT as ANSWER_TEXT
from tests.wire.spdm.test_bundle import LIST as BUNDLE_LIST
from tests.wire.spdm.test_bundle import TEXT as BUNDLE_TEXT
from tests.wire.spdm.test_opaque import opaque
from tests.wire.test_archive import WRITTEN
from tests.wire.test_dice import RIOT, TCB
from tests.wire.tpm.test_pcrs import BARE, TEXT, stored
from tests.wire.tpm.test_public import area


def _transcript(data: bytes) -> object:
    return parse_transcript(data, signature_size=96)


def _log(data: bytes) -> object:
    log = parse_event_log(data)
    return [replay(log, bank) for bank in log.banks]


def _pcrs(data: bytes) -> object:
    return parse_pcrs(data, [PcrBank(hashing="sha256", pcrs=(0, 7, 10))])


def _spdm_verdict(data: bytes) -> object:
    """Spoilt measurements with an honest chain, and the other way round."""
    question = SpdmQuestion(nonce=NONCE, slot=0)
    pairs = ((data, chain()), (measurements("1.2"), data))
    return [
        judge_spdm(SpdmEvidence(measurements=m, chain=c), question, anchors(), at=AT)
        for m, c in pairs
    ]


def _tpm_verdict(data: bytes) -> object:
    quote, signature = split_quote(signed_quote())
    key = chain_pem()
    told = (
        TpmEvidence(quote=data, signature=signature, key=key, event_log=event_log()),
        TpmEvidence(quote=quote, signature=data, key=data, pcrs=data),
    )
    return [judge_tpm(each, nonce=NONCE, anchors=anchors(), at=AT) for each in told]


ATTEST, SIGNATURE = split_quote(signed_quote())
TRANSCRIPTS = (measurements("1.1", (1, 2)), measurements("1.2"), measurements("1.3", (1, 2)))
PARSERS: dict[str, Parser] = {
    "transcript": (_transcript, TRANSCRIPTS),
    "general-opaque": (parse_general, (opaque("plain"),)),
    "tlv-opaque": (parse_tlv, (opaque("tlv"),)),
    "bundle": (parse_bundle, (BUNDLE_LIST, BUNDLE_TEXT)),
    "answer": (parse_answer, (ANSWER_BODY, ANSWER_TEXT)),
    "certificates": (parse_certificates, (chain_pem(), chain()[52:])),
    "chain": (parse_chain, (chain(),)),
    "tcb-info": (parse_tcb_info, (TCB, RIOT)),
    "multi-tcb-info": (parse_multi_tcb_info, (TCB,)),
    "quote": (parse_quote, (ATTEST,)),
    "signature": (parse_signature, (SIGNATURE,)),
    "signed-quote": (parse_signed_quote, (signed_quote(), signed_quote("rsa"))),
    "public": (parse_public, (area("ecc"), area("rsa"))),
    "event-log": (_log, (event_log(),)),
    "pcrs": (_pcrs, (BARE, TEXT.encode(), stored())),
    "evidence-archive": (parse_archive, (WRITTEN,)),
    "spdm-verdict": (_spdm_verdict, (*TRANSCRIPTS, chain(), chain_pem())),
    "tpm-verdict": (_tpm_verdict, (signed_quote(), event_log(), chain_pem(), area("ecc"))),
}


@soaks(PARSERS)
def test_any_bytes_for_long(name: str) -> None:
    soak(name, PARSERS[name], EvidenceMalformed)
