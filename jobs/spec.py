"""What one trial is, and its id: equal specs have equal ids on any machine, in any year.

The id is a hash of what defines the computation: workload, target, seed, and the parameters in
their plain form (see ``plain``). Where it is stored, what it may use (``resources``) and what it is
called (``group``) are not part of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec

from artifacts import renamed

ID_LENGTH = 16
# Above this an integer does not fit msgspec's (and many a reader's) 64 bits, and floats are no
# longer read as integers.
LARGEST_INTEGER = 2**63


class NotPlain(ValueError):
    """A value that JSON cannot hold without loss: nan, infinity, an integer beyond 64 bits, half a
    character, or an object."""


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trial in its serialized form."""

    workload: str
    """``train``, ``svm`` or ``package.module:function``."""
    target: str
    """The resource class of the cluster profile that it runs on."""
    seed: int
    """Which repeat this is."""
    params: dict[str, Any]
    """What ``Workload.canonical`` made of the parameters: plain values, sorted keys, frozen
    defaults left out."""
    resources: dict[str, Any] = {}
    """The group's own resources on top of the target's; not part of the id."""
    group: str = ""
    """The group's name, a label; not part of the id."""
    isolate: bool = False
    """Whether it runs in a process of its own, which no other trial has used or will use; not part
    of the id."""

    def check(self) -> None:
        """Raise NotPlain unless it has an id, which a spec from a damaged file may not."""
        plain(self.seed)
        if not _is_plain(self.params.values()):
            plain(self.params)

    @property
    def trial_id(self) -> str:
        """Return the first 16 hexadecimal digits of the SHA-256 of what defines the computation."""
        params = self.params if _is_plain(self.params.values()) else plain(self.params)
        # Under the names that the parameters had at first: a new name makes no other trial.
        params = renamed.parameters_of_before(self.workload, params)
        defining = (self.workload, self.target, self.seed, params)
        return sha256(_ENCODER.encode(defining)).hexdigest()[:ID_LENGTH]


def plain(value: Any) -> Any:
    """Return the value in JSON's own types, spelled in one way only.

    1.0 becomes 1 and -0.0 becomes 0 (so that 1, 1.0 and 1e0 are one trial, also where no type says
    which is meant), tuples become lists, and mappings have text for keys.

    Raises:
        NotPlain: JSON cannot hold the value without loss.
    """
    kind = type(value)
    if kind is float:
        if value.is_integer() and -LARGEST_INTEGER <= value < LARGEST_INTEGER:
            return int(value)
        if not math.isfinite(value):
            raise NotPlain(f"{value} is not a finite number")
        return value
    if kind is int:
        if not -LARGEST_INTEGER <= value < LARGEST_INTEGER:
            raise NotPlain(f"{value} does not fit 64 bits")
        return value
    if kind is str:
        return _whole(value)
    if value is None or kind is bool:
        return value
    if kind is dict:
        return {_key(key): plain(inner) for key, inner in value.items()}
    if kind is list or kind is tuple:
        return [plain(inner) for inner in value]
    raise NotPlain(
        f"a {kind.__name__} is not a number, text, true, false, null, a list or a mapping"
    )


def encode(specs: Iterable[JobSpec]) -> bytes:
    """Return the specs as JSON lines, in their order."""
    return _ENCODER.encode_lines(list(specs))


def decode(lines: bytes) -> list[JobSpec]:
    """Return the inverse of ``encode``; msgspec.ValidationError if a line is no spec."""
    return [_of_today(spec) for spec in _DECODER.decode_lines(lines)]


def _of_today(spec: JobSpec) -> JobSpec:
    params = renamed.parameters_of_today(spec.workload, spec.params)
    return spec if params == spec.params else msgspec.structs.replace(spec, params=params)


def _is_plain(values: Iterable[Any]) -> bool:
    """Whether ``plain`` would surely change none of them: the quick way for the usual spec, 100,000
    of which are hashed for a plan."""
    for value in values:
        kind = type(value)
        if kind is float:
            if (
                value.is_integer() or value - value
            ):  # inf - inf and nan - nan are nan, which is true
                return False
        elif kind is list:
            if not _is_plain(value):
                return False
        elif kind is str:
            if not value.isascii():  # it may hold half of a character
                return False
        elif kind is not int and kind is not bool and value is not None:
            return False
    return True


def _key(key: Any) -> str:
    if type(key) is not str:
        raise NotPlain(f"the key {key!r} is not text")
    return _whole(key)


def _whole(text: str) -> str:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise NotPlain(
            f"{text!r} holds half of a character (a lone surrogate), which UTF-8 has no bytes for"
        )
    return text


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(JobSpec)
