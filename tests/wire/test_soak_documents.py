"""Ten minutes of spoilt bytes for each parser of documents: no crash, no hang, bounded memory.

SOAK_S sets how long each goes on. The seed is printed by what fails.
"""

from __future__ import annotations

import io
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence

import cbor2
import pytest

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.roots.references import as_corim, reference_values, signed
from iolaus.trust.manifests import read_manifest
from iolaus.trust.packages import judge_archive, judge_package
from iolaus.trust.signing import Anchors
from iolaus.wire.cbor import decode
from iolaus.wire.corim import parse_corim
from iolaus.wire.cose import parse_cose
from iolaus.wire.rim import parse_rim
from iolaus.wire.safe import parse_report
from iolaus.wire.tarball import read_archive
from tests.trust.made import NOW, maker
from tests.wire.corim.test_parse import corim, measured
from tests.wire.hostile import spoilt
from tests.wire.pldm.test_package import built
from tests.wire.rim.test_manifest import resource, swid
from tests.wire.rim.test_manifest import signed as signed_xml
from tests.wire.safe.test_report import FORMS
from tests.wire.tarball.test_archive import tar
from tests.wire.test_soak import MAX_CALL_S, MAX_MEMORY, SOAK_S

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


PARSERS: dict[str, tuple[Callable[[bytes], object], Sequence[bytes]]] = {
    "cbor": (decode, (*CORIMS, SIGNED)),
    "cose": (parse_cose, (SIGNED,)),
    "corim": (parse_corim, CORIMS),
    "rim": (parse_rim, (RIM, swid(resource()))),
    "report": (parse_report, tuple(FORMS.values())),
    "archive": (_archive, ARCHIVES),
    "package": (_package, tuple(built(n) for n in (1, 2, 3, 4))),
    "manifest-verdict": (_manifest, (SIGNED, RIM, *CORIMS)),
}


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S * 2 + 60)
@pytest.mark.parametrize("name", PARSERS)
def test_any_bytes_for_long(name: str) -> None:
    parse, seeds = PARSERS[name]
    number = random.SystemRandom().randrange(1 << 40)
    chance = random.Random(number)
    until = time.monotonic() + SOAK_S
    tracemalloc.start()
    while (before := time.monotonic()) < until:
        data = spoilt(chance.choice(seeds), chance)
        try:
            parse(data)
        except OperatorMust:
            continue
        finally:
            assert time.monotonic() - before < MAX_CALL_S, (number, data.hex())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MAX_MEMORY, number
