"""Ten minutes of spoilt bytes for each parser of documents: no crash, no hang, bounded memory."""

from __future__ import annotations

import io
import json

import cbor2

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.roots.references import as_corim, reference_values, signed
from iolaus.trust.manifests import read_manifest
from iolaus.trust.packages import judge_archive, judge_package
from iolaus.trust.signing import Anchors
from iolaus.wire.advisory.read import parse_advisories
from iolaus.wire.cbor import decode
from iolaus.wire.corim.parse import parse_corim
from iolaus.wire.cose import parse_cose
from iolaus.wire.pldm.parse import parse_package
from iolaus.wire.rim.manifest import parse_rim
from iolaus.wire.rim.signature import parse_enveloped
from iolaus.wire.safe.report import parse_report
from iolaus.wire.tarball.archive import read_archive
from tests.fleet.advisories import csaf, osv
from tests.trust.made import NOW, maker
from tests.wire.corim.test_parse import corim, measured
from tests.wire.pldm.test_package import built
from tests.wire.rim.test_manifest import resource, swid
from tests.wire.rim.test_manifest import signed as signed_xml
from tests.wire.safe.test_report import FORMS
from tests.wire.soaking import Parser, soak, soaks
from tests.wire.tarball.test_archive import tar

VALUES = as_corim(reference_values()[:20])
SIGNED = signed(VALUES, seed="soak")
RIM = signed_xml(swid(*(resource(n) for n in range(8))), maker())
CORIMS = (VALUES, corim({0: []}), measured(_2=[[7, bytes(48)]], _4=cbor2.CBORTag(560, b"ab")))
ARCHIVES = tuple(tar(mode=mode) for mode in ("w:", "w:gz", "w:xz", "w:bz2"))


def _manifest(data: bytes) -> object:
    return read_manifest(data, source="soak", anchors=Anchors(), at=NOW)


def _archive(data: bytes) -> object:
    return judge_archive(read_archive(io.BytesIO(data)), [])


def _package(data: bytes) -> object:
    return judge_package(data, source="soak")


def _advisories(data: bytes) -> object:
    return parse_advisories(data, source="soak")


PARSERS: dict[str, Parser] = {
    "cbor": (decode, (*CORIMS, SIGNED)),
    "cose": (parse_cose, (SIGNED,)),
    "corim": (parse_corim, CORIMS),
    "rim": (parse_rim, (RIM, swid(resource()))),
    "xml-signature": (parse_enveloped, (RIM,)),
    "report": (parse_report, tuple(FORMS.values())),
    "archive": (_archive, ARCHIVES),
    "package-header": (parse_package, tuple(built(n) for n in (1, 2, 3, 4))),
    "package": (_package, tuple(built(n) for n in (1, 2, 3, 4))),
    "advisories": (_advisories, tuple(json.dumps(each).encode() for each in (csaf(), osv()))),
    "manifest-verdict": (_manifest, (SIGNED, RIM, *CORIMS)),
}


@soaks(PARSERS)
def test_any_bytes_for_long(name: str) -> None:
    soak(name, PARSERS[name], OperatorMust)
