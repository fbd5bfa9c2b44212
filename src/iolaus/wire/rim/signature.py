"""XML signatures (W3C XML Signature 1.1), of the one form that reference manifests have.

One enveloped signature that covers the whole document, and nothing else: other forms are how a
signature comes to cover what nobody reads (wrapping). What was signed is made canonical here and
given back as bytes; values are read from these bytes alone. The parser loads no DTD and expands
no entity, since a document with either is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from lxml import etree

from iolaus.wire.document import DocumentMalformed, bounded

DSIG: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_CANONICAL: Final = frozenset(
    ("http://www.w3.org/2006/12/xml-c14n11", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")
)
_DIGESTS: Final[Mapping[str, str]] = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
_SIGNINGS: Final[Mapping[str, str]] = {
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": "ES256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": "ES384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512": "ES512",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": "RS256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": "RS384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": "RS512",
}
_XML: Final = "{http://www.w3.org/XML/1998/namespace}"
MAX_CERTIFICATES: Final = 16


class Enveloped(msgspec.Struct, frozen=True, kw_only=True):
    """A document and its signature. `content` is what was signed, canonical; `data` is what the
    key signed (SignedInfo, canonical). `digest_right`: the digest in `data` is that of `content`;
    where it is not, the document was changed after it was signed. `certificates` are DER as the
    document lists them, and prove nothing yet."""

    content: bytes
    data: bytes
    signature: bytes
    algorithm: str
    digest_right: bool
    certificates: tuple[bytes, ...]


def parse_xml(data: bytes, *, subject: str) -> Any:
    """The root element. Raises `DocumentMalformed`."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        remove_blank_text=False, dtd_validation=False,
    )  # fmt: skip
    try:
        root = etree.fromstring(bounded(data, subject), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        told = str(error).split(" (", maxsplit=1)[0][:200]
        raise DocumentMalformed("not-xml", f"it is no XML: {told}", subject=subject) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise DocumentMalformed("has-dtd", "it has a DTD, which no manifest needs", subject=subject)
    return root


def parse_enveloped(data: bytes, *, subject: str = "manifest") -> Enveloped | None:
    """The signature of an XML document that has one as a child of its root; None: there is no
    signature anywhere. Raises `DocumentMalformed`, also for forms that are not taken."""
    return _Signature(parse_xml(data, subject=subject), subject).read()


class _Signature:
    def __init__(self, root: Any, subject: str) -> None:
        self.root, self.subject = root, subject

    def wrong(self, reason: str, message: str) -> DocumentMalformed:
        return DocumentMalformed(reason, message, subject=self.subject)

    def read(self) -> Enveloped | None:
        found = list(self.root.iter(f"{DSIG}Signature"))
        if not found:
            return None
        if len(found) > 1 or found[0].getparent() is not self.root:
            raise self.wrong("signature-form", "one signature is taken, below the root element")
        self.check_surroundings()
        signed_info = self.only(found[0], "SignedInfo")
        reference = self.only(signed_info, "Reference")
        algorithm = self.algorithm(signed_info, "SignatureMethod", _SIGNINGS)
        digest = self.algorithm(reference, "DigestMethod", _DIGESTS)
        self.check_canonical(signed_info, reference)
        stated = self.base64(self.only(reference, "DigestValue"))
        signature = self.base64(self.only(found[0], "SignatureValue"))
        data, certificates = canonical(signed_info), tuple(self.certificates(found[0]))
        content = self.without(found[0])
        return Enveloped(
            content=content,
            data=data,
            signature=signature,
            algorithm=algorithm,
            digest_right=hashlib.new(digest, content).digest() == stated,
            certificates=certificates,
        )

    def check_surroundings(self) -> None:
        """What canonical forms treat differently must not be there at all."""
        if any(name.startswith(_XML) for name in self.root.attrib):
            raise self.wrong("signature-form", "xml: attributes at the root are not taken")
        for node in self.root.iter(etree.ProcessingInstruction, etree.Entity):
            raise self.wrong("signature-form", f"{str(node)[:40]} is not taken")
        before, after = self.root.getprevious(), self.root.getnext()
        if any(isinstance(n, etree._ProcessingInstruction) for n in (before, after)):
            raise self.wrong("signature-form", "instructions round the root are not taken")

    def only(self, parent: Any, name: str) -> Any:
        found = parent.findall(f"{DSIG}{name}")
        if len(found) != 1:
            raise self.wrong("signature-form", f"{len(found)} {name} where one is taken")
        return found[0]

    def algorithm(self, parent: Any, name: str, known: Mapping[str, str]) -> str:
        stated = str(self.only(parent, name).get("Algorithm", ""))
        if stated not in known:
            raise self.wrong("algorithm-unknown", f"{name} {stated[:100]} is not taken")
        return known[stated]

    def check_canonical(self, signed_info: Any, reference: Any) -> None:
        method = self.only(signed_info, "CanonicalizationMethod")
        transforms = list(self.only(reference, "Transforms"))
        stated = [str(each.get("Algorithm", "")) for each in transforms]
        if (
            reference.get("URI") != ""
            or method.get("Algorithm") not in _CANONICAL
            or len(method)
            or not stated
            or stated[0] != _ENVELOPED
            or len(stated) > 2
            or any(each not in _CANONICAL for each in stated[1:])
            or any(len(each) or each.tag != f"{DSIG}Transform" for each in transforms)
        ):
            raise self.wrong("signature-form", "only a signature of the whole document is taken")

    def base64(self, element: Any) -> bytes:
        try:
            return base64.b64decode("".join((element.text or "").split()), validate=True)
        except (binascii.Error, ValueError):
            raise self.wrong("signature-form", f"{element.tag} holds no base64") from None

    def certificates(self, signature: Any) -> list[bytes]:
        path = f"{DSIG}KeyInfo/{DSIG}X509Data/{DSIG}X509Certificate"
        found = signature.findall(path)
        if len(found) > MAX_CERTIFICATES:
            raise self.wrong("too-large", f"more than {MAX_CERTIFICATES} certificates")
        return [self.base64(each) for each in found]

    def without(self, signature: Any) -> bytes:
        """The document without its signature; the text behind it stays."""
        tail, previous = signature.tail or "", signature.getprevious()
        if previous is not None:
            previous.tail = (previous.tail or "") + tail
        else:
            self.root.text = (self.root.text or "") + tail
        self.root.remove(signature)
        return canonical(self.root.getroottree())


def canonical(node: Any) -> bytes:
    """Canonical XML without comments. For what is taken here, 1.0 and 1.1 are the same. Raises
    `DocumentMalformed` where there is none (a relative namespace)."""
    try:
        found: bytes = etree.tostring(node, method="c14n", exclusive=False, with_comments=False)
    except (etree.LxmlError, ValueError):
        raise DocumentMalformed("not-canonical", "it has no canonical form") from None
    return found
