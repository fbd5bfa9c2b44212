"""Having a request signed: by an authority of ours, or by a command of the operator's.

A command gets the request (PEM) on its standard input, the hosts in `IOLAUS_NAMES` (with spaces
between), runs without a shell in the cage of gates and hooks, and gives the certificate (PEM, those
above it behind) on its standard output. Whoever signs, the same is checked of what comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from iolaus.fleet.certify import Checked, check_issued, check_request, issue
from iolaus.fleet.hook import first_line, run_argv
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.authority import Authority


class KnowsAuthorities(Protocol):
    """Who signs: what anybody may know of them, and the keys of ours."""

    def get(self, name: str) -> Authority | None: ...

    def key_of(self, name: str) -> str | None: ...


class Signer:
    """Signs by the authority of a name."""

    def __init__(self, authorities: KnowsAuthorities, *, clock: Clock) -> None:
        self._authorities, self._clock = authorities, clock

    def authority(self, name: str) -> Authority:
        """Raises `OperatorMust` for a name that is nobody's."""
        found = self._authorities.get(name)
        if found is None:
            raise OperatorMust(
                f"no authority is called {name!r}",
                operation="sign certificate",
                subject=name,
                code="NoSuchAuthority",
                next_step="make one with: iolaus ca create NAME; or name it in authorities.yaml.",
            )
        return found

    async def sign(self, request: str, name: str, names: Sequence[str], *, device: str) -> Checked:
        """The certificate for a device's request, checked. Raises `DeviceLied` for a request that
        is not signed, `OperatorMust` for an authority that does not sign."""
        authority, now = self.authority(name), self._clock.now()
        checked = check_request(request, names, device=device)
        key = self._authorities.key_of(name)
        if key is not None:
            pem = await asyncio.to_thread(issue, checked, authority, key, names, now=now)
        else:
            pem = await _asked(authority, request, names)
        return check_issued(pem, checked.public_key(), authority, names, now=now)


async def _asked(authority: Authority, request: str, names: Sequence[str]) -> str:
    ran = await run_argv(
        authority.command,
        operation="sign certificate",
        stdin=request.encode("ascii"),
        timeout_s=authority.timeout_s,
        env={"IOLAUS_NAMES": " ".join(names)},
    )
    if ran.code != 0:
        said = first_line(ran.stderr) or first_line(ran.stdout)
        raise OperatorMust(
            f"its command ended with {ran.code}" + (f": {said}" if said else ""),
            operation="sign certificate",
            subject=f"authority {authority.name}",
            code="CommandFailed",
            next_step="run it by hand with a request on its standard input.",
        )
    return ran.stdout.decode("ascii", "replace")
