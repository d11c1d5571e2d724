"""Records as a notebook shows them."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import runner
from artifacts.record import Outcome, Record
from artifacts.store import Store

HOSTILE = "<script>alert(1)</script>&\x1b[31m"


class Cells(HTMLParser):
    """The tags, and the text of each row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def shown(path: Path) -> tuple[str, Cells]:
    html = runner.load(path)._repr_html_()
    return html, Cells(html)


def test_the_first_rows_are_a_table_in_which_everything_is_text(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.create()
    for number in range(25):
        values = {
            "workload": "train",
            "target": "cpu",
            "seed": 0,
            "outcome": Outcome.completed if number else Outcome.failed,
            "test_accuracy": 0.5 if number else None,
        }
        store.publish(
            Record("study", f"{number:016}", 1, {"lr": number, HOSTILE: HOSTILE * number}, values)
        )
    html, cells = shown(store.root)
    assert cells.tags == {"p", "div", "table", "thead", "tbody", "tr", "th", "td"}
    assert "\x1b" not in html
    assert len(cells.rows) == 21
    head, first, second = cells.rows[:3]
    assert {"trial", "outcome", "lr", "test_accuracy"} <= set(head)
    assert "sweep" not in head
    assert first[head.index("outcome")] == "failed"
    assert second[head.index("lr")].strip() == "1"
    assert "<script>" in second[head.index(next(name for name in head if "script" in name))]
    assert "25 rows (24 completed, 1 failed)" in html
    assert "the first 20 of 25 rows" in html
    assert repr(runner.load(store.root)).startswith("<Records: 25 rows of")


def test_an_empty_store_and_damage_are_said(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.create()
    damaged = store.records_folder("study") / "aa.1.parquet"
    damaged.parent.mkdir()
    damaged.write_bytes(b"no record")
    html, cells = shown(store.root)
    assert "0 rows" in html
    assert str(damaged) in html
    assert cells.tags == {"p"}
