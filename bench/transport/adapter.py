"""What the adapters of the losing candidates share: closing, the clock, out-of-band pinning."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from types import TracebackType
from typing import Self

from iolaus.kernel.errors import IolausError
from iolaus.wire.redfish.body import BodyGarbled, BodyTooLarge
from iolaus.wire.redfish.faults import lied, silent
from iolaus.wire.redfish.port import Request, Response, Trust
from iolaus.wire.redfish.transport import require_scheme
from iolaus.wire.redfish.trust import first_contact, unverified


class Adapter:
    """Bounds the exchange in time and words the failures; `exchange` does the rest."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    @abstractmethod
    async def aclose(self) -> None: ...

    @abstractmethod
    async def exchange(self, request: Request, begun: float) -> Response: ...

    @abstractmethod
    async def worded(self, request: Request, error: Exception) -> Exception: ...

    async def send(self, request: Request) -> Response:
        require_scheme(request, self.trust)
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self.exchange(request, time.monotonic())
        except IolausError:
            raise
        except TimeoutError as error:
            message = f"no complete answer within {request.timeout_s:g} s"
            raise silent(request, message) from error
        except BodyTooLarge as error:
            raise lied(request, f"the answer is too large: {error}", "TooLarge") from error
        except BodyGarbled as error:
            raise lied(request, f"not HTTP: {error}", "NotHttp") from error
        except Exception as error:
            raise await self.worded(request, error) from error


class OutOfBandPin:
    """The best a client without a certificate hook can do: look first, on another connection.

    Whoever shows the right certificate to the look and another one to the request gets the
    credentials; the conformance tests record that.
    """

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._looked: set[str] = set()

    async def require(self, request: Request) -> None:
        origin = "/".join(request.url.split("/", 3)[:3])
        if not self._trust.fingerprint or origin in self._looked or "https" not in origin:
            return
        shown = await first_contact(request.url, timeout_s=request.timeout_s)
        if shown != self._trust.fingerprint:
            raise unverified(request.url, self._trust, shown, "")
        self._looked.add(origin)
