"""Write a page as one file of HTML that opens anywhere.

Whatever a record holds is text here: the template escapes it, data for scripts is JSON without a
character that could end a script, and the page's own policy runs no script but ours and lets
nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from artifacts.store import Store
from runner.report.page.content import Content
from runner.report.page.trial_table import columns_of
from runner.report.plots.plot import javascript
from runner.report.printable import shown

if TYPE_CHECKING:
    from jinja2 import Environment

_UNSAFE_IN_JSON: Final = str.maketrans(
    {character: f"\\u{ord(character):04x}" for character in "<>&'\u2028\u2029\x7f"}
)
_UNSAFE_IN_SCRIPT: Final = re.compile(r"<(?=!--|/?script)", re.IGNORECASE)


def write_html(content: Content, store: Store, path: Path) -> str:
    """Return the page that is to be written to a path, from which its links to logs start."""
    base = quote(os.path.relpath(store.root, path.absolute().parent)) + "/"
    plots = {plot.name: plot.spec for plot in content.plots}
    trials = {
        "base": base,
        "rows": len(content.trials),
        "columns": columns_of(content.trials, store),
    }
    scripts = {
        "vega": _safe_script(javascript()) if plots else "",
        "datatables": _safe_script(_datatables()) if trials["rows"] else "",
        "page": _safe_script(_file("page.js")),
    }
    page: str = (
        _environment()
        .get_template("page.html")
        .render(
            content=content,
            base=base,
            style=_file("page.css"),
            policy=_policy(script for script in scripts.values() if script),
            scripts=scripts,
            plots_json=_json(plots),
            trials_json=_json(trials),
        )
    )
    return page


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def spelled_out(value: Any) -> Any:
        return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    return Environment(
        loader=FileSystemLoader(str(_folder())),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=spelled_out,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _policy(scripts: Any) -> str:
    """Return a Content-Security-Policy that runs these scripts and fetches nothing at all."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _json(value: Any) -> str:
    """Return a value as JSON that can stand in a script element."""
    return msgspec.json.encode(value).decode().translate(_UNSAFE_IN_JSON)


def _safe_script(source: str) -> str:
    """Return a script in which no text can be taken for the end of its element.

    ``\\x3c`` is the same as ``<`` in JavaScript's strings and regular expressions, and it is only
    there that the libraries have such text. Line ends are what a browser makes of them, or the
    script would not have the hash that the policy names.
    """
    return _UNSAFE_IN_SCRIPT.sub(r"\\x3c", source.replace("\r\n", "\n").replace("\r", "\n"))


def _datatables() -> str:
    """Return the table's library, and a line that lets the page's own script find it."""
    source = _file("vendor/datatables.js")
    exported = re.findall(r"([\w$]+) as (\w+)", source[source.rindex("export{") :])
    names = {wanted: own for own, wanted in exported}
    return f"{source}\n;globalThis.jQuery = {names['jQuery']};\n"


def _file(name: str) -> str:
    return (_folder() / name).read_text(encoding="utf-8")


def _folder() -> Path:
    return Path(str(resources.files("runner.report.page")))
