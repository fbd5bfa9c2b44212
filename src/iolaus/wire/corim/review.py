"""The OCP S.A.F.E. extension of CoRIM: a review report as conditional endorsements.

The condition names the image by its digests, the endorsement holds the report (key -1; 1029 in
earlier drafts). Both are read as they stand; what they mean is for whoever joins them to images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from iolaus.wire.corim.measured import Shape
from iolaus.wire.corim.values import Environment, Issue, Review

REPORT_KEYS: Final = (-1, 1029)
MAX_REVIEWS: Final = 256
MAX_ISSUES: Final = 1000

ReadsEnvironment = Callable[[Any, Shape], Environment]


def reviews_of(listed: Any, shape: Shape, environment_of: ReadsEnvironment) -> Iterator[Review]:
    """Of conditional-endorsement-triples. Raises `DocumentMalformed`."""
    records = shape.items(listed, "the conditional endorsements")
    if len(records) > MAX_REVIEWS:
        raise shape.wrong("too-large", f"more than {MAX_REVIEWS} reviews")
    for record in records:
        conditions, endorsements = shape.pair(record, "a conditional endorsement")
        conditioned = tuple(_digests(conditions, shape))
        for endorsement in shape.items(endorsements, "the endorsements"):
            environment, measured = shape.pair(endorsement, "an endorsement")
            for report in _reports(measured, shape):
                yield _review(report, environment_of(environment, shape), conditioned, shape)


def _digests(conditions: Any, shape: Shape) -> Iterator[tuple[str, bytes]]:
    for condition in shape.items(conditions, "the conditions"):
        _, claims = shape.pair(condition, "a condition")
        for claim in shape.items(claims, "the claims"):
            yield from shape.digests(_values(claim, shape).get(2, []))


def _values(measurement: Any, shape: Shape) -> Mapping[Any, Any]:
    return shape.mapping(shape.mapping(measurement, "a measurement").get(1), "its values")


def _reports(measured: Any, shape: Shape) -> Iterator[Mapping[Any, Any]]:
    for one in shape.items(measured, "the endorsed values"):
        values = _values(one, shape)
        for key in REPORT_KEYS:
            if key in values:
                yield shape.mapping(values[key], "the report")


def _review(
    report: Mapping[Any, Any],
    environment: Environment,
    conditioned: tuple[tuple[str, bytes], ...],
    shape: Shape,
) -> Review:
    named = [shape.mapping(one, "a firmware") for one in shape.items(report.get(4, []), "firmware")]
    issues = shape.items(report.get(5, []), "the issues")
    if len(issues) > MAX_ISSUES:
        raise shape.wrong("too-large", f"more than {MAX_ISSUES} issues")
    own = (digest for one in named for digest in shape.digests(one.get(1, [])))
    versions = (shape.mapping(one[0], "a version").get(0, "") for one in named if 0 in one)
    return Review(
        environment=environment,
        digests=tuple(dict.fromkeys((*conditioned, *own))),
        framework=shape.text(report.get(0, ""), "the framework"),
        report_version=shape.text(report.get(1, ""), "the report's version"),
        completed=shape.moment(report.get(2), "the completion"),
        scope=shape.number(report.get(3), "the scope"),
        versions=tuple(shape.text(one, "a version") for one in versions),
        issues=tuple(_issue(one, shape) for one in issues),
    )


def _issue(one: Any, shape: Shape) -> Issue:
    found = shape.mapping(one, "an issue")
    rated = shape.mapping(found.get(2, {}), "an assessment")
    score = rated.get(0)
    return Issue(
        title=shape.text(found.get(0, ""), "a title"),
        score=number_of(score) if isinstance(score, str) and 1 in rated else None,
        cwe=shape.text(found.get(3, ""), "a weakness"),
        cve=shape.text(found.get(4, ""), "a CVE"),
    )


def number_of(text: str) -> float | None:
    """A CVSS score as it is written; None where it is none (0 to 10)."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found <= 10 else None
