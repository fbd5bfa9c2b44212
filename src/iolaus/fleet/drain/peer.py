"""Asking a scheduler over HTTPS, when its answers may be anything.

One request, one bounded answer, one typed error: no redirect is followed, nothing is unpacked, no
proxy of the environment is used, and a secret is read from its file for each request, because
such tokens are renewed in place. What the statuses mean is for the adapters, but for those that
mean the same everywhere.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple, NoReturn, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from iolaus.kernel.errors import (
    DeviceLied,
    DeviceRefused,
    DeviceSilent,
    IolausError,
    OperatorMust,
    Unverified,
)
from iolaus.kernel.tls import trusted

MAX_ANSWER: Final = 16 * 1024 * 1024
MAX_SECRET: Final = 64 * 1024
MAX_WISH_S: Final = 300.0
MAX_AT_ONCE: Final = 16
T = TypeVar("T")


def read_secret(path: str) -> str:
    """The one line of a secret's file. Raises `OperatorMust`, which never shows what is in it."""
    problem = ""
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_SECRET + 1).decode("ascii").strip()
        if not text or len(text) > MAX_SECRET or not text.isprintable():
            problem = "it does not hold one line of printable ASCII"
    except UnicodeDecodeError:
        problem = "it does not hold one line of printable ASCII"
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem:
        raise OperatorMust(
            f"the secret cannot be used: {problem}",
            operation="read",
            subject=path,
            code="DrainSecretUnreadable",
            next_step="write the token alone into this file and let only our user read it",
        )
    return text


def check_url(url: str, *, allow_http: bool) -> str:
    """The URL without a trailing slash. Raises `OperatorMust` unless it is https (or http, where
    the settings allow that) with a host and without a password."""
    try:
        parts = urlsplit(url)
        right = bool(parts.hostname) and not parts.username and (parts.port or 1) > 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        right = False
    if right and parts.scheme in (("https", "http") if allow_http else ("https",)):
        return url.rstrip("/")
    raise OperatorMust(
        "this is no address to send secrets to" if right else "this is no address",
        operation="read",
        subject=url[:200] if right else "url",
        code="DrainUrlInvalid",
        next_step="write https://host[:port], or set allowHttp: true on a network you trust",
    )


class Answer(NamedTuple):
    """`retry_after_s` is the peer's wish, at most `MAX_WISH_S`."""

    status: int
    body: bytes
    retry_after_s: float | None
    operation: str
    subject: str

    def read(self, kind: type[T]) -> T:
        """The body as `kind`. Raises `DeviceLied`."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self.lied(f"the answer cannot be read: {str(error)[:200]}") from None

    def lied(self, message: str) -> DeviceLied:
        return DeviceLied(
            message, operation=self.operation, subject=self.subject, code="DrainAnswerUnreadable"
        )

    def refused(self, message: str, *, code: str = "DrainRefused") -> DeviceRefused:
        return DeviceRefused(
            message,
            operation=self.operation,
            subject=self.subject,
            code=code,
            status=self.status,
            retry_after_s=self.retry_after_s,
        )


def _wish(value: str | None) -> float | None:
    plain = value is not None and value.isascii() and value.isdigit() and len(value) < 10
    return min(float(value), MAX_WISH_S) if value is not None and plain else None


class Peer:
    """One scheduler's API at `base`. `headers` is called for each request; `permission` says what
    a person must do when it answers 401 or 403."""

    def __init__(
        self,
        base: str,
        *,
        headers: Callable[[], Mapping[str, str]],
        permission: str,
        ca_file: str = "",
        timeout_s: float = 30.0,
    ) -> None:
        self.base, self._headers, self._permission = base, headers, permission
        self._ca_file, self._timeout_s = ca_file, timeout_s
        self._client: httpx.AsyncClient | None = None
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)  # whoever waits for a turn is not late yet

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client:
            await client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        subject: str,
        accept: Collection[int] = (200,),
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. Statuses outside `accept` are raised: 401 and 403 as `OperatorMust`, the
        others as `DeviceRefused`; no answer in time as `DeviceSilent`."""
        client = self._open()
        request = client.build_request(
            method,
            self.base + path,
            params=params,
            content=body,
            headers={**self._headers(), **(headers or {}), "Accept-Encoding": "identity"},
        )
        async with self._turns:
            answer = await self._answer(client, request, operation, subject)
        if answer.status not in accept:
            raise self.refusal(answer)
        return answer

    async def _answer(
        self, client: httpx.AsyncClient, request: httpx.Request, operation: str, subject: str
    ) -> Answer:
        body = bytearray()
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await client.send(request, stream=True)
                try:
                    async for chunk in response.aiter_raw():
                        body += chunk
                        if len(body) > MAX_ANSWER:
                            break
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.HTTPError) as error:
            self._silent(error, operation, subject)
        wish = _wish(response.headers.get("retry-after"))
        answer = Answer(response.status_code, bytes(body), wish, operation, subject)
        if len(body) > MAX_ANSWER:
            raise answer.lied(f"the answer is longer than {MAX_ANSWER} bytes")
        return answer

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=self._trust(),
                timeout=self._timeout_s,
                trust_env=False,
                limits=httpx.Limits(max_connections=MAX_AT_ONCE, max_keepalive_connections=4),
            )
        return self._client

    def _trust(self) -> ssl.SSLContext | bool:
        if not self._ca_file and self.base.startswith("http:"):
            return trusted(self.base)
        try:
            return ssl.create_default_context(cafile=self._ca_file or None)
        except OSError as error:  # ssl.SSLError is one
            raise OperatorMust(
                f"the certificates cannot be used: {error.strerror or type(error).__name__}",
                operation="read",
                subject=self._ca_file,
                code="DrainCaUnreadable",
                next_step="write the certificate of its authority into this file, in PEM",
            ) from None

    def _silent(self, error: Exception, operation: str, subject: str) -> NoReturn:
        if _of_trust(error):
            raise Unverified(
                f"{self.base} shows a certificate that is not trusted",
                operation=operation,
                subject=subject,
                code="DrainPeerUntrusted",
                next_step="set caFile to the certificate of its authority",
            ) from None
        if isinstance(error, httpx.RemoteProtocolError) and "without" not in str(error):
            raise DeviceLied(
                f"{self.base} does not speak HTTP as it should",
                operation=operation,
                subject=subject,
                code="DrainAnswerUnreadable",
            ) from None
        late = isinstance(error, TimeoutError | httpx.TimeoutException)
        why = f"did not answer within {self._timeout_s:g} s" if late else "does not answer"
        raise DeviceSilent(
            f"{self.base} {why} ({type(error).__name__})",
            operation=operation,
            subject=subject,
            code="DrainPeerSilent",
            next_step="see whether it runs and can be reached from here",
        ) from None

    def refusal(self, answer: Answer) -> IolausError:
        """The error that a status means where the adapter knows nothing better."""
        if answer.status in (401, 403):
            return OperatorMust(
                f"{self.base} does not allow it (HTTP {answer.status})",
                operation=answer.operation,
                subject=answer.subject,
                code="DrainNotAllowed",
                next_step=self._permission,
            )
        if 300 <= answer.status < 400:
            return answer.lied(f"{self.base} sends us elsewhere (HTTP {answer.status})")
        return answer.refused(f"{self.base} answers HTTP {answer.status}")


def _of_trust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
