from __future__ import annotations

import pytest

from iolaus.fleet.drain.port import DrainTarget
from iolaus.kernel.clock import JumpClock
from tests.peers.certificate import Identity, identity


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity(tmp_path_factory.mktemp("drain-tls"))


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


@pytest.fixture
def target() -> DrainTarget:
    return DrainTarget(
        uid="0f3a", name="h1-r07-u12", hostname="gpu-12.hall.example", labels={"k8s": "gpu-12"}
    )
