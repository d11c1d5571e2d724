"""Read unquoted words of YAML, by the core schema of YAML 1.2."""

from __future__ import annotations

import re
from typing import Any

CORE = "tag:yaml.org,2002:"

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_DOT_OF_A_WORD = re.compile(r"\.(?=[iInN])")
_MAX_DIGITS = 400
"""Of an integer: Python itself refuses to read much longer ones."""
TAGGED = {"null": _NULL, "bool": _BOOL, "int": _INT, "float": _FLOAT}
"""The tags, short for ``CORE`` and the word, that say what an unquoted word is."""


def core_scalar(text: str) -> Any:
    """Return the value of an unquoted scalar, by YAML 1.2's core schema."""
    if _INT.fullmatch(text) and len(text) <= _MAX_DIGITS:
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    return text


def tagged_scalar(tag: str, text: str) -> Any:
    """Return the value of a scalar with one of the tags in ``TAGGED``; ValueError if its text is of
    another type."""
    if not TAGGED[tag].fullmatch(text):
        raise ValueError(f"{text!r} is not of the type that its tag says")
    return _float(text) if tag == "float" else core_scalar(text)


def _float(text: str) -> float:
    return float(_DOT_OF_A_WORD.sub("", text))  # Python writes inf and nan without the dot
