"""Spell out the characters that a terminal or a browser obeys instead of showing them."""

from __future__ import annotations

import re
from typing import Final

OBEYED: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # what terminals obey: C0 without tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # and what reorders or breaks the text around it
    "\ud800-\udfff]"  # halves of characters, from file names that are not UTF-8
)


def shown(text: str) -> str:
    """Return text with every character that would be obeyed spelled out: ``\\x1b[31m`` instead of
    red.

    Line feeds and tabs stay.
    """
    return text if text.isascii() and text.isprintable() else OBEYED.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
