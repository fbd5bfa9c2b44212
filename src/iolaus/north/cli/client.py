"""Speaking REST: pages, watches and problems, and errors a person can act on."""

from __future__ import annotations

import os
import ssl
from collections.abc import Generator, Iterator, Mapping
from io import SEEK_END
from typing import IO, Any, Final, Self
from urllib.parse import urlsplit

import httpx
import msgspec

from iolaus.kernel.errors import (
    DeviceSilent,
    IolausError,
    OperatorMust,
    PolicyRefused,
    Unverified,
    WeErred,
)
from iolaus.kernel.tls import trusted

DEFAULT_URL: Final = "http://127.0.0.1:8080"
PAGE: Final = 500
STEP: Final = 1 << 20
WORLD_MOVED: Final = "WorldMoved"
"""409 as a device's wrong identity is, but nothing is wrong with anybody: a new plan is needed."""
Flat = dict[str, Any]


class ServerSilent(DeviceSilent):
    """The Iolaus server does not answer."""

    fault = "iolaus"


class Client:
    """One server. `url` and `token` default to IOLAUS_URL and IOLAUS_TOKEN; IOLAUS_CA_FILE names
    the authority of its certificate where that is not a public one. Raises `OperatorMust`."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self.url = read_url(url or os.environ.get("IOLAUS_URL") or DEFAULT_URL)
        token = token or os.environ.get("IOLAUS_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = httpx.Timeout(60.0, connect=5.0)
        self._http = httpx.Client(
            headers=headers, timeout=timeout, trust_env=False, verify=verification(self.url)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int | None) -> dict[str, Any]:
        return self._answer("GET", path, query)

    def post(self, path: str, body: object, **query: str | int | None) -> dict[str, Any]:
        return self._answer("POST", path, query, msgspec.json.encode(body))

    def get_bytes(self, path: str) -> bytes:
        return self._response("GET", path, {}).content

    def post_for_bytes(self, path: str, body: object) -> bytes:
        """What is answered, as it is; for a document that may take minutes to make."""
        return self._response("POST", path, {}, msgspec.json.encode(body), patience_s=900).content

    def post_file(self, path: str, file: IO[bytes], **query: str | list[str] | None) -> Flat:
        """A file as it is, however large."""
        given = {name: value for name, value in query.items() if value}
        size = file.seek(0, SEEK_END)
        file.seek(0)
        try:
            response = self._http.post(
                self.url + path,
                params=given,
                content=iter(lambda: file.read(STEP), b""),
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
                timeout=httpx.Timeout(900.0, connect=5.0),
            )
        except httpx.HTTPError as error:
            raise self._silent(error) from None
        if response.status_code >= 400:
            raise error_of(response, operation="POST", subject=path)
        return _object(response)

    def put(self, path: str, body: object, **query: str | int | None) -> dict[str, Any]:
        return self._answer("PUT", path, query, msgspec.json.encode(body))

    def patch(self, path: str, body: object, **query: str | int | None) -> dict[str, Any]:
        return self._answer("PATCH", path, query, msgspec.json.encode(body))

    def delete(self, path: str, **query: str | int | None) -> dict[str, Any]:
        return self._answer("DELETE", path, query)

    def remove(self, path: str) -> None:
        """A deletion that is answered with nothing."""
        self._response("DELETE", path, {})

    def pages(self, path: str, *, most: int | None = None, **query: str | None) -> Iterator[Flat]:
        """Every object of a list, page by page; flat, as the DTOs are."""
        after: str | None = None
        given = 0
        while True:
            limit = PAGE if most is None else min(PAGE, most - given)
            page = self.get(path, **query, limit=limit, **({"continue": after} if after else {}))
            for item in page["items"]:
                yield flat(item)
            given += len(page["items"])
            after = page["metadata"]["continue"]
            if not after or (most is not None and given >= most):
                return

    def watch(self, path: str, **query: str | None) -> Generator[tuple[str, Flat], None, None]:
        """(ADDED | MODIFIED | DELETED, object) for as long as the server stays."""
        given = {name: value for name, value in query.items() if value is not None}
        timeout = httpx.Timeout(60.0, connect=5.0)
        try:
            with self._http.stream(
                "GET", self.url + path, params={**given, "watch": "1"}, timeout=timeout
            ) as response:
                if response.status_code >= 400:
                    response.read()
                    raise error_of(response, operation="watch", subject=path)
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        told = msgspec.json.decode(line[5:])
                        yield told["type"], flat(told["object"])
        except httpx.HTTPError as error:
            raise self._silent(error) from None

    def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | None],
        body: bytes | None = None,
    ) -> dict[str, Any]:
        return _object(self._response(method, path, query, body))

    def _response(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | None],
        body: bytes | None = None,
        *,
        patience_s: float = 60.0,
    ) -> httpx.Response:
        given = {name: value for name, value in query.items() if value is not None}
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            response = self._http.request(
                method,
                self.url + path,
                params=given,
                content=body,
                headers=headers,
                timeout=httpx.Timeout(patience_s, connect=5.0),
            )
        except httpx.HTTPError as error:
            raise self._silent(error) from None
        if response.status_code >= 400:
            raise error_of(response, operation=method, subject=path)
        return response

    def _silent(self, error: httpx.HTTPError) -> IolausError:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Unverified(
                "the server's certificate is not of an authority that is trusted here",
                operation="ask",
                subject=self.url,
                code="CertificateUnverified",
                next_step="set IOLAUS_CA_FILE to the PEM file of its authority.",
            )
        if isinstance(error, httpx.ReadTimeout):
            return ServerSilent(
                "the server took the question and has not answered it yet",
                operation="ask",
                subject=self.url,
                code="ServerBusy",
                next_step="it is busy, or its machine is: ask again in a while.",
            )
        what = "refuses the connection" if isinstance(error, httpx.ConnectError) else "is silent"
        return ServerSilent(
            f"the server {what}",
            operation="ask",
            subject=self.url,
            code="ServerSilent",
            next_step="start one with: iolaus up   (or set IOLAUS_URL to one that runs)",
        )


def flat(item: Mapping[str, Any]) -> Flat:
    """The flat object inside a Kubernetes-like one, with its unique name as `id`."""
    status = dict(item["status"])
    return {**status, "id": item["metadata"]["name"]}


def error_of(response: httpx.Response, *, operation: str, subject: str) -> IolausError:
    """The server's problem document as the error that it was there."""
    try:
        problem = _object(response)
    except IolausError:
        problem = {}
    kind = _KINDS.get(response.status_code, OperatorMust if response.status_code < 500 else WeErred)
    if problem.get("code") == WORLD_MOVED:
        kind = PolicyRefused
    return kind(
        str(problem.get("detail") or f"the server answered {response.status_code}"),
        operation=str(problem.get("operation") or operation),
        subject=str(problem.get("subject") or subject),
        code=str(problem.get("code") or "HttpError"),
        next_step=str(problem.get("next_step", "look at the server's log.")),
    )


_KINDS: Final[Mapping[int, type[IolausError]]] = {
    401: PolicyRefused,
    403: PolicyRefused,
    409: Unverified,
    421: PolicyRefused,
    502: DeviceSilent,
    503: ServerSilent,
    504: DeviceSilent,
}


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise WeErred(
            "what answers there is not Iolaus: no JSON object",
            operation="ask",
            subject=str(response.url),
            code="NotIolaus",
            next_step="check IOLAUS_URL.",
        ) from None


def verification(url: str) -> ssl.SSLContext | bool:
    """How the certificate of the server at `url` is judged. Raises `OperatorMust`: IOLAUS_CA_FILE
    is unusable."""
    if not (authority := os.environ.get("IOLAUS_CA_FILE")):
        return trusted(url)
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise OperatorMust(
            f"cannot be read as PEM certificates: {error}",
            operation="read IOLAUS_CA_FILE",
            subject=authority,
            code="BadCaFile",
            next_step="name a file with the certificate of the server's authority, or unset it.",
        ) from None


def read_url(text: str) -> str:
    """The base of every request. Raises `OperatorMust` unless it is http:// or https://."""
    try:
        parts = urlsplit(text)
        httpx.URL(text)
        port = parts.port
    except (ValueError, httpx.InvalidURL) as error:
        raise _bad_url(text, str(error)) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise _bad_url(text, "not an http:// or https:// address")
    return text.rstrip("/")


def _bad_url(url: str, why: str) -> IolausError:
    return OperatorMust(
        why,
        operation="ask",
        subject=url,
        code="BadUrl",
        next_step="set IOLAUS_URL to something like http://127.0.0.1:8080",
    )
