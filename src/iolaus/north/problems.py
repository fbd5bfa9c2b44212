"""Errors as RFC 9457 problem documents: what, to what, whose fault, what next.

One function turns every exception that can leave a request into the same shape, so that a program
can match `code` and a person can read `next_step`. What we did not foresee is a 500 without detail:
the detail is in our log, because it may hold what is not the caller's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import Meta

from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    IolausError,
    OperatorMust,
    PolicyRefused,
    Unverified,
)

PROBLEM_TYPE: Final = "application/problem+json"
log = structlog.get_logger(__name__)

_BY_CODE: Final[Mapping[str, int]] = {
    "TokenMissing": 401,
    "TokenInvalid": 401,
    "TokenExpired": 401,
    "HostRefused": 421,
    "NotFound": 404,
    "Changed": 412,
    "WorldMoved": 409,
    "IdempotencyKeyReused": 422,
    "NotReady": 503,
    "StateUnusable": 503,
    "BusAway": 503,
    "Unheard": 503,
    "Fenced": 503,
    "NotOffered": 501,
    "BodyTooLarge": 413,
    "WrongMediaType": 415,
}
_BY_CLASS: Final[tuple[tuple[type[IolausError], int], ...]] = (
    (PolicyRefused, 403),
    (Unverified, 409),
    (OperatorMust, 400),
    (DeviceSilent, 504),
    (DeviceRefused, 502),
    (DeviceLied, 502),
)
_WORDS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("BadRequest", "see /api/v1/openapi.json for what is accepted."),
    404: ("NotFound", "see /api/v1 for what there is."),
    405: ("MethodNotAllowed", "see /api/v1/openapi.json for what is accepted."),
    413: ("BodyTooLarge", "send less at once."),
    415: ("WrongMediaType", "send application/json."),
}


class Problem(msgspec.Struct, kw_only=True):
    """RFC 9457 problem details, with our `code`, `next_step`, `operation` and `subject`."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Meta(description="A stable word that a program can match.")]
    next_step: Annotated[str, Meta(description="What to do about it.")] = ""
    operation: str = ""
    subject: str = ""
    instance: str = ""


def status_of(error: IolausError) -> int:
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((status for kind, status in _BY_CLASS if isinstance(error, kind)), 500)


def problem_of(error: IolausError, *, instance: str) -> Problem:
    return Problem(
        type=f"urn:iolaus:problem:{error.code}",
        title=f"{error.operation} failed",
        status=status_of(error),
        detail=error.message,
        code=error.code,
        next_step=error.next_step,
        operation=error.operation,
        subject=error.subject,
        instance=instance,
    )


def not_found(kind: str, name: str) -> IolausError:
    return OperatorMust(
        f"there is no {kind} of this name",
        operation="get",
        subject=f"{kind}/{name}",
        code="NotFound",
        next_step=f"list them with: iolaus get {kind}",
    )


def answer_problem(problem: Problem) -> Response[bytes]:
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=PROBLEM_TYPE,
        headers=headers,
    )


def on_iolaus_error(request: Request[Any, Any, Any], error: IolausError) -> Response[bytes]:
    return answer_problem(problem_of(error, instance=request.url.path))


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    code, next_step = _WORDS.get(error.status_code, ("HttpError", ""))
    problem = Problem(
        type=f"urn:iolaus:problem:{code}",
        title=code,
        status=error.status_code,
        detail=_detail(error),
        code=code,
        next_step=next_step,
        instance=request.url.path,
    )
    response = answer_problem(problem)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def on_any_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("request failed", path=request.url.path, exc_info=error)
    return answer_problem(
        Problem(
            type="urn:iolaus:problem:WeErred",
            title="our own fault",
            status=500,
            detail="something that we did not foresee; the log of the server has it",
            code="WeErred",
            next_step="report it with the log's lines of this moment.",
            instance=request.url.path,
        )
    )


HANDLERS: Final[Mapping[Any, Any]] = {
    IolausError: on_iolaus_error,
    HTTPException: on_http_error,
    Exception: on_any_error,
}


def _detail(error: HTTPException) -> str:
    extra = error.extra if isinstance(error.extra, list) else []
    parts = [
        f"{each.get('key', '')}: {each.get('message', '')}"
        for each in extra
        if isinstance(each, dict)
    ]
    return "; ".join([error.detail, *parts])
