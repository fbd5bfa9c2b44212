"""Documents from files, for `iolaus verify`: manifests, review reports and firmware packages.

As with evidence, what a file holds is judged and never fails the command; a name that is no file,
or a key that is none, is an error of use.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from iolaus.app.evidence import Judged, read_file
from iolaus.kernel.errors import OperatorMust
from iolaus.model.trust import Detail, Finding, Verdict
from iolaus.trust.accelerator import worst_of
from iolaus.trust.manifests import Imported, malformed, read_manifest
from iolaus.trust.packages import Opened, image_of, judge_archive, judge_package
from iolaus.trust.reviews import Image, ProviderKey, Reviewed, judge_report
from iolaus.trust.signing import PublicKey, read_anchors, read_key
from iolaus.wire.document import DocumentMalformed
from iolaus.wire.pldm.parse import looks_like_package
from iolaus.wire.safe import Report, parse_report
from iolaus.wire.tarball import looks_like_archive, read_archive

MAX_KEYS: Final = 1000


def corim_from_file(file: Path, anchors: Sequence[Path], *, at: float) -> Judged:
    """A manifest of reference values. Raises `OperatorMust`."""
    trusted = read_anchors([(path.name, read_file(path)) for path in anchors])
    try:
        found = read_manifest(read_file(file), source=file.name, anchors=trusted, at=at)
    except DocumentMalformed as error:
        return Judged(malformed(error))
    return Judged(found.verdict, list(_manifest_facts(found)))


def _manifest_facts(found: Imported) -> Iterator[tuple[str, str]]:
    yield "sha256", found.provenance.digest
    if found.provenance.signer:
        yield "signer", found.provenance.signer
    for each in found.sets[:16]:
        active = sum(value.active for value in each.values)
        yield "values", f"{active} of {each.name}"
    if len(found.sets) > 16:
        yield "values", f"and {len(found.sets) - 16} more sets"


def reports_from_files(files: Sequence[Path], keys: Path, images: Sequence[Path]) -> Judged:
    """Review reports, held against images if any are given. Raises `OperatorMust`."""
    held = provider_keys(keys)
    at_hand = [image for path in images for image in images_of(path)] if images else None
    judged = [_one_report(file, held, at_hand) for file in files]
    facts = [fact for found, _, told in judged if found for fact in (*told,)]
    verdicts = [verdict for _, verdict, _ in judged]
    verdict = worst_of(verdicts)
    findings = tuple(finding for each in verdicts for finding in each.findings)
    return Judged(msgspec.structs.replace(verdict, findings=findings), facts)


def _one_report(
    file: Path, keys: Sequence[ProviderKey], images: Sequence[Image] | None
) -> tuple[Reviewed | None, Verdict, list[tuple[str, str]]]:
    try:
        signed = parse_report(read_file(file), subject=file.name)
    except DocumentMalformed as error:
        return None, _named(malformed(error), file.name), []
    found = judge_report(signed, keys, images)
    verdict = found.verdict
    if signed.envelope == "jws":
        findings = (*verdict.findings, *_sidecar(file, signed.payload))
        verdict = msgspec.structs.replace(verdict, findings=findings)
    return found, _named(verdict, file.name), list(_report_facts(found))


def _named(verdict: Verdict, report: str) -> Verdict:
    """Which report each finding is of."""
    findings = tuple(
        msgspec.structs.replace(each, detail={"report": report, **each.detail})
        for each in verdict.findings
    )
    return msgspec.structs.replace(verdict, findings=findings)


def _report_facts(found: Reviewed) -> Iterator[tuple[str, str]]:
    for report in found.reports:
        yield "report", _report_line(report)
    if found.signer:
        yield "key", found.signer


def _report_line(report: Report) -> str:
    return (
        f"{report.vendor} {report.product} {report.version}, reviewed by {report.provider}, "
        f"{report.completed or 'no date'}, {len(report.issues)} open issues"
    )


def _sidecar(file: Path, payload: bytes) -> Iterator[Finding]:
    """The same report as plain JSON beside the signed one, as reviewers publish them."""
    beside = file.with_suffix(".json")
    if not beside.is_file():
        told = f"there is no {beside.name} beside it"
        yield Finding(code="sidecar-missing", message=told)
        return
    try:
        same = msgspec.json.decode(read_file(beside)) == msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        same = False
    if not same:
        told = f"{beside.name} says something else than what was signed"
        yield Finding(code="sidecar-differs", message=told)


def provider_keys(folder: Path) -> list[ProviderKey]:
    """Every public key below a folder, by its file and its folder. Raises `OperatorMust`."""
    if not folder.is_dir():
        raise _bad(folder, "it is no folder", "name the folder with the providers' public keys.")
    found: list[ProviderKey] = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith("."):
            continue
        if len(found) >= MAX_KEYS:
            raise _bad(folder, f"more than {MAX_KEYS} keys", "name a folder with fewer.")
        key = read_key(read_file(path))
        if key is not None:
            names = (path.stem, path.parent.name) if path.parent != folder else (path.stem,)
            found.append(ProviderKey(str(path.relative_to(folder)), names, key))
    if not found:
        raise _bad(folder, "no public key is in it", "put the providers' keys there, as PEM.")
    return found


def package_from_file(file: Path, keys: Path | None) -> Judged:
    """A firmware package. Raises `OperatorMust`."""
    trusted = [(each.file, each.key) for each in provider_keys(keys)] if keys else []
    opened = open_package(file, trusted)
    verdict = opened.verdict
    contents = list(_contents(opened))
    if contents:
        detail: dict[str, Detail] = {"version": str(opened.facts.get("version", ""))}
        detail["images"] = contents
        named = Finding(code="contents", message=f"{len(contents)} images", detail=detail)
        verdict = msgspec.structs.replace(verdict, findings=(*verdict.findings, named))
    return Judged(verdict, [("format", str(opened.facts.get("format", "unknown")))])


def _contents(opened: Opened) -> Iterator[str]:
    for each in opened.images:
        yield f"{each.name} {each.version} sha256:{each.digests['sha256'].hex()}"


def open_package(
    file: Path, trusted: Sequence[tuple[str, PublicKey]] = (), *, source: str = ""
) -> Opened:
    """A PLDM package or an OpenBMC archive, by its own marks. `trusted` are the keys (by name) that
    may have signed an archive, `source` its name if not the file's. Raises `OperatorMust`."""
    name = source or file.name
    with _mapped(file) as held:
        if looks_like_package(held) or not looks_like_archive(held):
            return judge_package(held, source=name)
        try:
            with file.open("rb") as stream:
                archive = read_archive(stream, subject=name)
        except DocumentMalformed as error:
            return Opened(verdict=malformed(error))
        return judge_archive(archive, trusted)


def images_of(file: Path) -> Iterable[Image]:
    """An image, or the images of a package and the package itself. Raises `OperatorMust`."""
    with _mapped(file) as held:
        yield image_of(file.name, held)
        package = looks_like_package(held) or looks_like_archive(held)
    if package:
        for each in open_package(file).images:
            yield msgspec.structs.replace(each, name=f"{file.name}: {each.name}")


@contextmanager
def _mapped(file: Path) -> Iterator[mmap.mmap | bytes]:
    try:
        with file.open("rb") as opened:
            if not opened.seek(0, io.SEEK_END):
                yield b""
                return
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as held:
                yield held
    except OSError as error:
        told = error.strerror or "cannot be read"
        raise _bad(file, told, "name a file.") from None


def _bad(path: Path, message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message,
        operation="read",
        subject=str(path),
        code="BadOption",
        next_step=next_step,
    )
