"""Advisories of either format in the one normal form. Pure.

CSAF says by vulnerability which products are affected, by their ids; here it is turned round: by
product, with all vulnerabilities that it has. What a document names and does not define, a range
that is not understood, and a status that is none of the standard's become remarks, because a
person should know that something in it was not used.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from iolaus.fleet.products import product_of
from iolaus.kernel.errors import OperatorMust
from iolaus.model.advisory import (
    MAX_STATEMENTS,
    Advisory,
    Kept,
    Product,
    Statement,
    Status,
    severity_of,
)
from iolaus.model.ranges import first_fixed, parse_range
from iolaus.wire.advisory import Csaf, Osv, parse_advisories
from iolaus.wire.advisory.csaf import (
    Branch,
    FullProduct,
    ProductStatus,
    ProductTree,
    Vulnerability,
)
from iolaus.wire.advisory.osv import Affected, Event, Range

VERSION_BRANCHES: Final = ("product_version", "product_version_range")
MOST_REMARKS: Final = 50
Texts = Mapping[str, str]


class Versioned(NamedTuple):
    """A product of a tree with the version or the range that it stands for."""

    product: Product
    version: str = ""
    range: str = ""


def read_advisories(raw: bytes, *, source: str, at: float, by: str = "") -> tuple[Kept, ...]:
    """Everything that a file says, with its digest. Raises `AdvisoryMalformed`, `OperatorMust`."""
    found = parse_advisories(raw, source=source)
    normal = [of_csaf(found)] if isinstance(found, Csaf) else [of_osv(each) for each in found]
    for each in normal:
        if len(each.statements) > MAX_STATEMENTS:
            raise OperatorMust(
                f"{each.id} makes more than {MAX_STATEMENTS} statements",
                operation="read advisory",
                subject=source,
                code="AdvisoryTooLarge",
                next_step="import an advisory of your makers' own; this one lists too many.",
            )
    digest = hashlib.sha256(raw).hexdigest()
    return tuple(Kept(advisory=each, source=source, digest=digest, at=at, by=by) for each in normal)


# --- CSAF 2.0 -----------------------------------------------------------------------------------


def of_csaf(document: Csaf) -> Advisory:
    head, tracking = document.document, document.document.tracking
    remarks: dict[str, None] = {}
    statements = list(_statements(document, remarks))
    scores = [
        score.base_score
        for each in document.vulnerabilities
        for said in each.scores
        for score in (said.cvss_v4, said.cvss_v3)
        if score is not None
    ]
    best = max(scores, default=None)
    links = [each.url for each in head.references if each.category == "self"]
    word = head.aggregate_severity.text.lower() if head.aggregate_severity else ""
    return Advisory(
        id=tracking.id,
        form="csaf",
        title=head.title,
        publisher=head.publisher.name,
        url=next((u for u in links if u.startswith("https://")), ""),
        flaws=tuple(dict.fromkeys(_flaw(each) for each in document.vulnerabilities)),
        severity=severity_of(best) or word,
        score=best,
        published=tracking.initial_release_date,
        revised=tracking.current_release_date,
        statements=tuple(statements),
        ignored=tuple(remarks)[:MOST_REMARKS],
    )


def _statements(document: Csaf, remarks: dict[str, None]) -> Iterator[Statement]:
    products = dict(_products(document.product_tree))
    groups = {g.group_id: g.product_ids for g in document.product_tree.product_groups}
    flaws = defaultdict[tuple[str, Status, str], list[Vulnerability]](list)
    for each in document.vulnerabilities:
        for key in _said_of(each.product_status):
            flaws[key].append(each)
    fixes = _fixes(products, (ident for ident, status, _ in flaws if status is Status.FIXED))
    for (ident, status, op), all_of in flaws.items():
        known = products.get(ident)
        if known is None:
            remarks[f"product {ident!r} is named and not defined"] = None
            continue
        versions = _versions(known, op)
        if versions is None:
            remarks[f"the range {(known.range or known.version)!r} is not understood"] = None
        affected = status is Status.AFFECTED
        yield Statement(
            product=known.product,
            status=status,
            versions=versions,
            said=known.range or (op + known.version),
            flaws=tuple(dict.fromkeys(map(_flaw, all_of))),
            fixed=(fixes.get(_line(known)) or first_fixed(versions)) if affected else "",
            remedy=_first(_remedies(all_of, ident, groups)) if affected else "",
            because="" if affected else _first(_reasons(all_of, ident, groups)),
        )


def _said_of(status: ProductStatus) -> Iterator[tuple[str, Status, str]]:
    """(product id, what is said of it, how its version is meant): "first affected" means from that
    version on, "last affected" up to it (section 3.2.3.9)."""
    for said, op, idents in (
        (Status.AFFECTED, "", status.known_affected),
        (Status.AFFECTED, ">=", status.first_affected),
        (Status.AFFECTED, "<=", status.last_affected),
        (Status.FIXED, "", status.fixed),
        (Status.FIXED, ">=", status.first_fixed),
        (Status.NOT_AFFECTED, "", status.known_not_affected),
        (Status.INVESTIGATED, "", status.under_investigation),
    ):
        yield from ((ident, said, op) for ident in idents)


def _products(tree: ProductTree) -> Iterator[tuple[str, Versioned]]:
    found: dict[str, Versioned] = {}
    for branch in tree.branches:
        found.update(_below(branch, ()))
    for product in tree.full_product_names:
        found[product.product_id] = _named(product, ())
    for each in tree.relationships:
        part = found.get(each.product_reference)
        whole = found.get(each.relates_to_product_reference)
        if part and whole:
            found[each.full_product_name.product_id] = _joined(each.full_product_name, part, whole)
    yield from found.items()


def _below(branch: Branch, path: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, Versioned]]:
    path = (*path, (branch.category, branch.name))
    if branch.product is not None:
        yield branch.product.product_id, _named(branch.product, path)
    for each in branch.branches:
        yield from _below(each, path)


def _named(product: FullProduct, path: tuple[tuple[str, str], ...]) -> Versioned:
    by = dict(path)
    more = product.product_identification_helper
    plain = [n for c, n in path if c not in (*VERSION_BRANCHES, "vendor", "legacy", "language")]
    return Versioned(
        product_of(
            plain[-1] if plain else product.name,
            vendor=by.get("vendor", ""),
            names=plain,
            numbers=(*more.model_numbers, *more.skus),
            purl=more.purl,
            cpe=more.cpe,
        ),
        version=by.get("product_version", ""),
        range=by.get("product_version_range", ""),
    )


def _joined(name: FullProduct, part: Versioned, whole: Versioned) -> Versioned:
    """A firmware in a machine: the firmware's version, and the names of both."""
    return Versioned(
        product_of(
            name.name,
            vendor=part.product.vendor or whole.product.vendor,
            names=(*part.product.names, *whole.product.names),
            numbers=(*part.product.numbers, *whole.product.numbers),
        ),
        version=part.version or whole.version,
        range=part.range or whole.range,
    )


def _versions(known: Versioned, op: str) -> tuple[str, ...] | None:
    if known.range:
        return parse_range(known.range)
    if not known.version:
        return ()
    if known.version.strip() in ("*", "all", "-"):
        return ()
    return None if "," in known.version else ((op or "==") + known.version,)


def _fixes(products: Mapping[str, Versioned], idents: Iterable[str]) -> dict[object, str]:
    """The fixed version of each line of products, where one is said."""
    found = defaultdict[object, set[str]](set)
    for ident in idents:
        known = products.get(ident)
        if known and known.version:
            found[_line(known)].add(known.version)
    return {line: next(iter(all_of)) for line, all_of in found.items() if len(all_of) == 1}


def _line(known: Versioned) -> object:
    return known.product.vendor, known.product.names


def _remedies(
    all_of: Iterable[Vulnerability], ident: str, groups: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    for each in all_of:
        for said in sorted(each.remediations, key=lambda r: r.category != "vendor_fix"):
            if _means(said, ident, groups):
                yield f"{said.details} {said.url}".strip()[:1000]


def _reasons(
    all_of: Iterable[Vulnerability], ident: str, groups: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    for each in all_of:
        yield from (f.label for f in each.flags if _means(f, ident, groups))
        impacts = (t for t in each.threats if t.category == "impact")
        yield from (t.details[:1000] for t in impacts if _means(t, ident, groups))


def _means(said: Any, ident: str, groups: Mapping[str, tuple[str, ...]]) -> bool:
    if not said.product_ids and not said.group_ids:
        return True
    return ident in said.product_ids or any(ident in groups.get(g, ()) for g in said.group_ids)


def _flaw(each: Vulnerability) -> str:
    return each.cve or next((i.text for i in each.ids), "") or each.title or "unnamed"


def _first(texts: Iterator[str]) -> str:
    return next(texts, "")


# --- OSV ----------------------------------------------------------------------------------------


def of_osv(entry: Osv) -> Advisory:
    flaws = [each for each in (*entry.aliases, *entry.upstream) if each.startswith("CVE-")]
    flaws = flaws or [entry.id]
    remarks: dict[str, None] = {}
    statements = [s for each in entry.affected for s in _of_affected(each, flaws, remarks)]
    said = str((entry.database_specific or {}).get("severity", ""))[:32].lower()
    links = [each.url for each in entry.references if each.type in ("ADVISORY", "WEB")]
    return Advisory(
        id=entry.id,
        form="osv",
        title=entry.summary or entry.details[:200] or entry.id,
        url=next((u for u in links if u.startswith("https://")), ""),
        flaws=tuple(flaws),
        severity={"moderate": "medium"}.get(said, said),
        published=entry.published or entry.modified,
        revised=entry.modified,
        withdrawn=bool(entry.withdrawn),
        statements=tuple(statements),
        ignored=tuple(remarks)[:MOST_REMARKS],
    )


def _of_affected(
    affected: Affected, flaws: list[str], remarks: dict[str, None]
) -> Iterator[Statement]:
    package = affected.package
    if package is None:
        remarks["an entry of `affected` names no package"] = None
        return
    extra: dict[str, Any] = {
        **(affected.database_specific or {}),
        **(affected.ecosystem_specific or {}),
    }
    vendor = extra.get("vendor")
    product = product_of(
        package.name, vendor=vendor if isinstance(vendor, str) else "", purl=package.purl
    )
    usable = [each for each in affected.ranges if each.type in ("SEMVER", "ECOSYSTEM")]
    if len(usable) < len(affected.ranges):
        remarks["a range of commits says nothing of firmware versions"] = None
    listed = [*affected.versions, *(v for r in usable for e in r.events for v in _bounds(e))]
    odd = [each for each in listed if re.search(r"[,\s<>=]", each)]
    alternatives = [*(f"=={each}" for each in affected.versions if each), *_osv_ranges(usable)]
    silent = bool(affected.ranges or affected.versions)
    understood = not odd and (bool(alternatives) or not silent)
    if not understood:
        remarks[f"the versions of {package.name!r} are not understood"] = None
    yield Statement(
        product=product,
        status=Status.AFFECTED,
        versions=tuple(alternatives) if understood else None,
        said=", ".join(alternatives[:8]),
        flaws=tuple(flaws),
        fixed=first_fixed(list(_osv_ranges(usable))),
    )


def _bounds(event: Event) -> tuple[str, ...]:
    return event.introduced, event.fixed, event.last_affected, event.limit


def _osv_ranges(ranges: Iterable[Range]) -> Iterator[str]:
    """Events in their order: each `introduced` opens a run that the next other event closes."""
    for each in ranges:
        begun = ""
        for event in each.events:
            if event.introduced:
                begun = f">={event.introduced}"
                continue
            bound = event.fixed or event.limit
            end = f"<{bound}" if bound else f"<={event.last_affected}"
            if begun and end != "<=":
                yield f"{begun},{end}"
                begun = ""
        if begun:
            yield begun
