"""What Litestar makes of a handler's signature is made once a run, and not anew for each of the
thousand applications that tests build: the same code with the same words means the same."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from litestar._signature.model import SignatureModel
from litestar.utils.signature import ParsedSignature

_parse, _model = ParsedSignature.from_fn, SignatureModel.create
_parsed: dict[Hashable, ParsedSignature] = {}
_models: dict[Hashable, tuple[ParsedSignature, type[SignatureModel]]] = {}
"""By the address of a signature, which is kept so that nothing else ever has it."""


def remember() -> None:
    """For as long as this process lives."""
    ParsedSignature.from_fn = _parsed_once  # type: ignore[method-assign]
    SignatureModel.create = _modelled_once  # type: ignore[method-assign,assignment]


def _parsed_once(fn: Any, signature_namespace: dict[str, Any]) -> ParsedSignature:
    if not hasattr(fn, "__code__"):
        return _parse(fn, signature_namespace)
    named = (fn.__kwdefaults__ or {}, fn.__annotations__, signature_namespace)
    key = (fn.__code__, fn.__defaults__, *(tuple(each.items()) for each in named))
    if key not in _parsed:
        _parsed[key] = _parse(fn, signature_namespace)
    return _parsed[key]


def _modelled_once(**given: Any) -> type[SignatureModel]:
    parsed, fn = given["parsed_signature"], given["fn"]
    words = frozenset(given["dependency_name_set"])
    decoders = tuple(predicate for predicate, _ in given["type_decoders"])
    key = (id(parsed), getattr(fn, "__code__", fn), words, decoders, given["data_dto"])
    if key not in _models:
        _models[key] = parsed, _model(**given)
    return _models[key][1]
