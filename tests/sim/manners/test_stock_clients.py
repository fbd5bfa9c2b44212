"""Clients that others wrote set up, log, boot and certify a machine, as they are."""

from __future__ import annotations

import asyncio
import io
import tarfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redfish
import redfish_utilities as tools
import sushy

from tests.sim.manners.stage import PATIENCE_S, Bench, bench, shelf

pytestmark = pytest.mark.slow

USER, PASSWORD = "root", "iolaus-sim"
HOST, BMC = "System.Embedded.1", "iDRAC.Embedded.1"


async def away(ask: Callable[[], Any]) -> Any:
    """In a thread, as these clients wait; their own warnings are not ours."""

    def quietly() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ask()

    return await asyncio.to_thread(quietly)


@contextmanager
def client(on: Bench, user: str = USER, password: str = PASSWORD) -> Iterator[Any]:
    found = redfish.redfish_client(on.device.address, user, password)
    found.login(auth="session")
    try:
        yield found
    finally:
        found.logout()


def is_inserted(medium: Any) -> bool:
    """The machine fetches the image first."""
    end = time.monotonic() + PATIENCE_S
    while not medium.inserted and time.monotonic() < end:
        time.sleep(0.02)
        medium.refresh(force=True)
    return bool(medium.inserted)


async def test_the_dmtfs_tools_keep_accounts_and_settings() -> None:
    async with bench() as on:

        def work() -> dict[str, Any]:
            with client(on) as root:
                tools.add_user(root, "op", "long-enough-1", "Operator")
                tools.modify_user(root, "op", new_password="long-enough-2")
                with client(on, "op", "long-enough-2"):
                    pass
                tools.delete_user(root, "op")
                tools.set_system_bios(root, {"SubNumaCluster": "Enabled"}, HOST)
                _, future = tools.get_system_bios(root, HOST)
                return dict(future)

        assert (await away(work))["SubNumaCluster"] == "Enabled"
        assert set(on.device.gate.accounts) == {USER}


async def test_the_dmtfs_tools_insert_media_and_choose_the_boot_source() -> None:
    async with bench() as on, shelf(b"an image") as url:

        def work() -> tuple[bool, str]:
            with client(on) as root:
                tools.set_system_boot(root, HOST, ov_target="Cd", ov_enabled="Once")
                task = tools.insert_virtual_media(root, url, HOST)
                tools.poll_task_monitor(root, task, silent=True)
                media = tools.get_virtual_media(root, HOST)
                tools.eject_virtual_media(root, media[0]["Id"], HOST)
                boot = tools.get_system_boot(root, HOST)
                return bool(media[0]["Inserted"]), str(boot["BootSourceOverrideTarget"])

        assert await away(work) == (True, "Cd")


async def test_the_dmtfs_tools_fetch_diagnostic_data_and_ask_for_a_certificate() -> None:
    async with bench() as on:

        def work() -> tuple[bytes, str]:
            with client(on) as root:
                task = tools.collect_diagnostic_data(
                    root, container_type=tools.log_container.MANAGER, log_service_id="Sel",
                    container_id=BMC, diagnostic_data_type=tools.diagnostic_data_types.MANAGER,
                )  # fmt: skip
                done = tools.poll_task_monitor(root, task, silent=True)
                _, data = tools.download_diagnostic_data(root, done)
                place = tools.get_all_certificates(root)[0]["URI"].rpartition("/")[0]
                csr = tools.generate_csr(root, place, "bmc", "o", "u", "c", "s", "US")
                return data, str(csr.dict["CSRString"])

        data, csr = await away(work)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            assert len(tar.getnames()) > 3
        assert "CERTIFICATE REQUEST" in csr


async def test_sushy_sets_bios_and_media() -> None:
    async with bench() as on, shelf(b"an image") as url:

        def work() -> tuple[bool, str]:
            auth = sushy.auth.BasicAuth(USER, PASSWORD)
            top = sushy.Sushy(on.device.address, auth=auth, verify=False)
            bios = top.get_system_collection().get_members()[0].bios
            bios.set_attribute("SubNumaCluster", "Enabled")
            medium = top.get_manager_collection().get_members()[0].virtual_media.get_members()[0]
            medium.insert_media(url)
            inserted = is_inserted(medium)
            medium.eject_media()
            return inserted, str(bios.pending_attributes["SubNumaCluster"])

        assert await away(work) == (True, "Enabled")
