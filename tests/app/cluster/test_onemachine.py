"""How a whole cluster on one machine takes on a hall."""

from __future__ import annotations

import json
from pathlib import Path

from iolaus.app.cluster.onemachine import HOSTS_AT_ONCE, Cluster
from iolaus.observe.targets import parse_hosts


def test_a_long_hosts_file_is_discovered_in_parts(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "c", nodes=1)
    for count, sizes in ((3, [3]), (HOSTS_AT_ONCE + 1, [HOSTS_AT_ONCE, 1])):
        hosts = [{"address": f"https://n{number}", "labels": {"u": "1"}} for number in range(count)]
        head = {"apiVersion": "iolaus.dev/v1", "kind": "Hosts"}
        cluster.hosts.write_text(json.dumps({**head, "hosts": hosts}))
        parts = [parse_hosts(part.read_text(), subject="part") for part in cluster._slices()]
        assert [len(part) for part in parts] == sizes
        assert [t.address for part in parts for t in part] == [each["address"] for each in hosts]
