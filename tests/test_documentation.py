"""Links in the documentation lead somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path.relative_to(REPOSITORY)
    for path in (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"))
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.*)$",
        re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE),
        re.MULTILINE,
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    path = REPOSITORY / page
    broken = []
    for target in _LINK.findall(_CODE.sub("", path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue  # the web is not asked: a test must not depend on it
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def test_the_index_names_every_page() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    missing = [str(page) for page in PAGES if page.parts[0] == "docs" and f"({page})" not in readme]
    assert missing == []


def test_no_page_names_a_file_of_the_code_that_is_gone() -> None:
    tracked = set(subprocess.check_output(["git", "ls-files"], cwd=REPOSITORY, text=True).split())
    folders = {str(parent) for path in tracked for parent in Path(path).parents}
    roots = ("runner/", "jobs/", "cluster/", "artifacts/", "tests/", "benchmarks/", "grids/")
    gone = []
    for page in PAGES:
        for name in re.findall(r"`([\w./-]+)`", (REPOSITORY / page).read_text()):
            if name.startswith(roots) and name not in tracked and name.rstrip("/") not in folders:
                gone.append(f"{page}: {name}")
    assert gone == []
