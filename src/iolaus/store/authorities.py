"""Certificate authorities: ours in the vault, others' by the operator's own file.

`authorities` in the state directory is encrypted with the key of the credentials and holds local
authorities with their private keys; the keys leave it for the signer alone. `authorities.yaml`
names commands that sign (docs/certificates.md); it is read anew when it has changed, so that a
correction needs no restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from iolaus.kernel.errors import OperatorMust
from iolaus.model.authority import Authority, Words
from iolaus.store.files import check_private, replace_file
from iolaus.store.secrets import Secrets

_LABEL: Final = b"iolaus-authorities-1\n"
MAX_PEM: Final = 64 * 1024


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    authority: Authority
    key: str

    def __repr__(self) -> str:
        return f"_Kept({self.authority.name!r}, key=...)"


class _Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    command: list[str]
    certificate: str
    timeout: float = 60.0
    words: Words = Words()


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    authorities: dict[str, _Command]


class Authorities:
    """Raises `Unverified` for a vault that does not open, `OperatorMust` for a file that cannot
    be read."""

    def __init__(self, directory: Path, *, secrets: Secrets) -> None:
        self._path, self.file = directory / "authorities", directory / "authorities.yaml"
        self._secrets = secrets
        self._kept = self._load()
        self._read: tuple[int, dict[str, Authority]] = (0, {})

    def __repr__(self) -> str:
        return f"Authorities({str(self._path)!r}, {len(self._kept)} local)"

    def all(self) -> Mapping[str, Authority]:
        """Every authority by its name. Raises `OperatorMust` where the file does not read."""
        local = {name: kept.authority for name, kept in self._kept.items()}
        return {**self._commands(), **local}

    def known(self) -> Mapping[str, Authority]:
        """As `all`, without those of a file that does not read."""
        try:
            return self.all()
        except OperatorMust:
            return {name: kept.authority for name, kept in self._kept.items()}

    def get(self, name: str) -> Authority | None:
        return self.all().get(name)

    def key_of(self, name: str) -> str | None:
        """The private key (PEM) of a local authority; for the signer alone."""
        kept = self._kept.get(name)
        return kept.key if kept else None

    def put(
        self, name: str, *, certificate: str, key: str, days: int, words: Words | None = None
    ) -> Authority:
        """Keep a local authority; on disk before it returns. Raises `OperatorMust` for a key
        that is not the certificate's, one that is no authority's, or a name that is taken."""
        if name in self.all():
            raise _wrong(f"there is one called {name!r} already", "choose another name.")
        authority = read_authority(
            name, certificate, kind="local", days=days, words=words or Words()
        )
        _must_fit(certificate, key)
        self._save({**self._kept, name: _Kept(authority=authority, key=key)})
        return authority

    def remove(self, name: str) -> bool:
        if name not in self._kept:
            return False
        self._save({each: kept for each, kept in self._kept.items() if each != name})
        return True

    def _commands(self) -> dict[str, Authority]:
        if not self.file.is_file():
            return {}
        try:
            if (changed := self.file.stat().st_mtime_ns) == self._read[0]:
                return self._read[1]
            told = msgspec.convert(yaml.safe_load(self.file.read_text("utf-8")), _File)
            found = {name: self._command(name, each) for name, each in told.authorities.items()}
            self._read = changed, found
            return found
        except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
            raise OperatorMust(
                f"it cannot be read: {error}",
                operation="read authorities",
                subject=str(self.file),
                code="AuthoritiesInvalid",
                next_step="correct it; docs/certificates.md shows how it is written.",
            ) from None

    def _command(self, name: str, told: _Command) -> Authority:
        if not told.command or told.timeout <= 0:
            raise _wrong(f"{name} has no command, or no time", "correct authorities.yaml.")
        text = Path(told.certificate).read_text("ascii")
        return read_authority(
            name,
            text,
            kind="command",
            words=told.words,
            command=tuple(told.command),
            timeout_s=told.timeout,
        )

    def _load(self) -> dict[str, _Kept]:
        if not self._path.exists():
            return {}
        check_private(self._path, operation="open authorities")
        opened = self._secrets.unseal(self._path.read_bytes(), label=_LABEL, what=self._path)
        return msgspec.json.decode(opened, type=dict[str, _Kept])

    def _save(self, kept: dict[str, _Kept]) -> None:
        replace_file(self._path, self._secrets.seal(msgspec.json.encode(kept), label=_LABEL))
        self._kept = kept


def read_authority(name: str, pem: str, **given: Any) -> Authority:
    """From its certificate, those above it behind. Raises `OperatorMust` for one that may sign
    none."""
    own = _certificates(pem)[0]
    try:
        may = own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        may = False
    if not may:
        raise _wrong("its certificate is no authority's (CA:FALSE)", "give that of an authority.")
    return Authority(
        name=name,
        certificate=pem,
        subject=own.subject.rfc4514_string(),
        fingerprint=own.fingerprint(hashes.SHA256()).hex(),
        not_after=own.not_valid_after_utc.timestamp(),
        **given,
    )


def _certificates(pem: str) -> list[x509.Certificate]:
    try:
        if len(pem) > MAX_PEM:
            raise ValueError("it is too long")
        return x509.load_pem_x509_certificates(pem.encode("ascii"))
    except (ValueError, UnicodeEncodeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise _wrong("no certificate can be read", "give it in PEM, its own first.") from None


def _must_fit(certificate: str, key: str) -> None:
    """Says nothing of the key but that it does not fit."""
    try:
        private = load_pem_private_key(key.encode("ascii"), None)
        fits = private.public_key() == _certificates(certificate)[0].public_key()
    except (ValueError, TypeError, UnicodeEncodeError, UnsupportedAlgorithm):
        raise _wrong(
            "its private key cannot be read", "give it in PEM (PKCS#8), without a passphrase."
        ) from None
    if not fits:
        raise _wrong("the private key is not the certificate's", "give the two that belong.")


def _wrong(message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message,
        operation="keep authority",
        subject="authorities",
        code="BadAuthority",
        next_step=next_step,
    )
