"""A back-up as one file: a compressed tar whose table of contents is sealed with the state's key.

Rows come in portions, files as they are, and last the manifest with the size and digest of each.
Nothing of an archive is used before all of it was read once and held against the manifest, so a
file that was cut, changed or made by somebody else is refused whole. The key is never in it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final

import msgspec

from iolaus.kernel.errors import OperatorMust, Unverified
from iolaus.store.database import explain
from iolaus.store.dump import Rows
from iolaus.store.files import PRIVATE_FILE, sync_dir
from iolaus.store.secrets import Secrets

MANIFEST: Final = "manifest"
ROWS, FILES = "rows/", "files/"
MOST_MANIFEST: Final = 256 * 2**20
_LABEL: Final = b"iolaus-backup-1\n"
_BLOCK: Final = 2**20
_LEVEL: Final = 3


class Member(msgspec.Struct, frozen=True, kw_only=True):
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`made_at` in seconds since 1970; `revision` of the schema; `rows` by table."""

    made_at: float
    version: str
    revision: str
    rows: dict[str, int]
    members: dict[str, Member]

    @property
    def files(self) -> tuple[str, ...]:
        """Their paths in the state directory."""
        return tuple(n.removeprefix(FILES) for n in self.members if n.startswith(FILES))


class Writer:
    """Use `writing`."""

    def __init__(self, tar: tarfile.TarFile, secrets: Secrets) -> None:
        self._tar, self._secrets = tar, secrets
        self.rows: dict[str, int] = {}
        self._members: dict[str, Member] = {}

    def put_rows(self, rows: Rows) -> None:
        self.rows[rows.table] = self.rows.get(rows.table, 0) + len(rows.rows)
        body = msgspec.msgpack.encode(rows)
        self._put(f"{ROWS}{len(self._members):07}", io.BytesIO(body), len(body))

    def put_file(self, path: Path, name: str) -> None:
        """As long as it is at this moment. One that has gone meanwhile is left out."""
        try:
            with path.open("rb") as stream:
                self._put(f"{FILES}{name}", stream, os.fstat(stream.fileno()).st_size)
        except FileNotFoundError:
            return

    def finish(self, *, made_at: float, version: str, revision: str) -> Manifest:
        manifest = Manifest(
            made_at=made_at,
            version=version,
            revision=revision,
            rows=self.rows,
            members=dict(self._members),
        )
        sealed = self._secrets.seal(msgspec.json.encode(manifest), label=_LABEL)
        self._put(MANIFEST, io.BytesIO(sealed), len(sealed))
        return manifest

    def _put(self, name: str, stream: IO[bytes], size: int) -> None:
        info, counted = tarfile.TarInfo(name), _Counted(stream)
        info.size, info.mode = size, PRIVATE_FILE
        self._tar.addfile(info, counted)
        self._members[name] = Member(size=size, sha256=counted.digest.hexdigest())


class _Counted(io.RawIOBase):
    """Reads, and knows the digest of what was read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.digest.update(block)
        return block


@contextmanager
def writing(path: Path, secrets: Secrets) -> Iterator[Writer]:
    """A new file, whole and durable or not at all. Raises `OperatorMust` where there is one."""
    if path.exists():
        raise OperatorMust(
            "it is there already",
            operation="back up",
            subject=str(path),
            code="FileExists",
            next_step="give another name; a back-up is never written over.",
        )
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as out:
            with tarfile.open(fileobj=out, mode="w:gz", compresslevel=_LEVEL) as tar:
                yield Writer(tar, secrets)
            out.flush()
            os.fsync(descriptor)
        part.replace(path)
        sync_dir(path.parent)
    except OSError as error:
        raise explain(error, operation="back up", subject=str(path)) from error
    finally:
        part.unlink(missing_ok=True)


class Archive:
    """One that was read whole and is what its manifest says."""

    def __init__(self, path: Path, secrets: Secrets) -> None:
        """Raises `Unverified`, `OperatorMust` for a file that is none."""
        self._path, self._secrets = path, secrets
        self.manifest = self._verified()

    def rows(self) -> Iterator[Rows]:
        with self._members() as members:
            for name, stream in members:
                if name.startswith(ROWS):
                    yield msgspec.msgpack.decode(stream.read(), type=Rows)

    def unpack(self, directory: Path) -> None:
        """Its files into a directory of ours."""
        with self._members() as members:
            for name, stream in members:
                if name.startswith(FILES):
                    _write(directory / name.removeprefix(FILES), stream)

    def _verified(self) -> Manifest:
        found: dict[str, Member] = {}
        sealed = b""
        with self._members() as members:
            for name, stream in members:
                if name == MANIFEST:
                    sealed = stream.read(MOST_MANIFEST)
                else:
                    found[name] = _member(stream)
        if not sealed:
            raise self._broken("it has no end")
        text = self._secrets.unseal(sealed, label=_LABEL, what=self._path)
        manifest = msgspec.json.decode(text, type=Manifest)
        if found != manifest.members or not all(map(_is_inside, manifest.files)):
            raise self._broken("what is in it is not what was put in")
        return manifest

    @contextmanager
    def _members(self) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
        try:
            # The module's own reader of gzip meets a short header with a TypeError.
            with (
                gzip.open(self._path) as unpacked,
                tarfile.open(fileobj=unpacked, mode="r|") as tar,
            ):
                yield self._each(tar)
        except (tarfile.TarError, zlib.error, EOFError, ValueError, gzip.BadGzipFile) as error:
            raise self._broken(f"it is damaged, or no back-up ({error})") from error
        except OSError as error:
            raise OperatorMust(
                f"it cannot be read: {error.strerror or error}",
                operation="restore",
                subject=str(self._path),
                code="BackupUnreadable",
                next_step="give the file that `iolaus backup` wrote.",
            ) from error

    def _each(self, tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
        for info in tar:
            stream = tar.extractfile(info)
            if stream is None:
                raise self._broken("it holds what is no file")
            yield info.name, stream

    def _broken(self, why: str) -> Unverified:
        return Unverified(
            why,
            operation="restore",
            subject=str(self._path),
            code="BackupBroken",
            next_step="take another back-up; nothing was written.",
        )


def _member(stream: IO[bytes]) -> Member:
    digest, size = hashlib.sha256(), 0
    while block := stream.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return Member(size=size, sha256=digest.hexdigest())


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def _write(path: Path, stream: IO[bytes]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as out:
        while block := stream.read(_BLOCK):
            out.write(block)
        out.flush()
        os.fsync(descriptor)
