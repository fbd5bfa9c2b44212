"""Checking resources against the DMTF's JSON schemas, as the bundle beside the project has them.

The bundle holds the newest minor version of each schema. A resource of an older minor is valid
against it too, as long as it says nothing that was added later; so both are checked: the schema,
and `versionAdded` of every property against the version that the resource claims.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

Json = dict[str, Any]
PLACE = "http://redfish.dmtf.org/schemas/v1/"
URL = re.compile(r"http://redfish\.dmtf\.org/schemas/[\w./-]+?\.json")
TYPE = re.compile(r"#(\w+)(?:\.(v\d+_\d+_\d+))?\.(\w+)")


class Schemas:
    def __init__(self, bundle: Path) -> None:
        self.files: dict[str, Json] = {}
        urls: set[str] = set()
        with tarfile.open(bundle) as tar:
            for entry in tar:
                if entry.name.startswith("json-schema-latest/") and entry.name.endswith(".json"):
                    stream = tar.extractfile(entry)
                    assert stream is not None
                    text = stream.read().decode()
                    self.files[Path(entry.name).name] = json.loads(text)
                    urls |= {PLACE + Path(entry.name).name, *URL.findall(text)}
        self.newest = {
            name.split(".")[0]: name for name in self.files if re.search(r"\.v\d+_", name)
        }
        # A registry looks through every document anew that it has to retrieve: it knows all before.
        known = ((url, self._document(url)) for url in sorted(urls))
        self.registry: Registry[Any] = Registry().with_resources(
            (url, Resource.from_contents(found, DRAFT7)) for url, found in known if found
        )
        self.checker = lru_cache(maxsize=None)(self._checker)

    def _document(self, url: str) -> Json | None:
        """What is at this address; the newest minor stands in for older ones."""
        name = url.rsplit("/", 1)[1]
        return self.files.get(name) or self.files.get(self.newest.get(name.split(".")[0], ""))

    def _checker(self, kind: str) -> Draft7Validator:
        file = self.newest.get(kind, f"{kind}.json")
        url = f"{PLACE}{file}#/definitions/{kind}"
        if file == f"{kind}.json":
            url = f"{PLACE}{file}"
        return Draft7Validator({"$ref": url}, registry=self.registry)

    def faults(self, resource: Json) -> Iterator[str]:
        """What is wrong with a resource, one line each; nothing if it is right."""
        match = TYPE.fullmatch(str(resource.get("@odata.type")))
        if match is None:
            yield f"@odata.type {resource.get('@odata.type')!r}"
            return
        kind, version, _ = match.groups()
        if f"{kind}.json" not in self.files:
            yield f"no schema {kind}"
            return
        for error in self.checker(kind).iter_errors(resource):
            yield from explained(error)
        if version:
            yield from self._too_new(kind, version, resource)

    def _too_new(self, kind: str, version: str, resource: Json) -> Iterator[str]:
        schema = self.files[self.newest[kind]]["definitions"][kind]["properties"]
        for name in resource:
            added = schema.get(name, {}).get("versionAdded")
            if added and numbers(added) > numbers(version):
                yield f"{name}: added in {added}, but the resource is of {version}"


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.lstrip("v").split("_"))


def explained(error: Any) -> Iterator[str]:
    where = "/".join(str(part) for part in error.absolute_path)
    inner = [e for e in error.context or () if e.validator not in ("type", "anyOf")]
    if inner:
        for each in inner:
            yield from explained(each)
    else:
        yield f"{where}: {error.message[:200]}"
