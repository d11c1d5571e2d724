"""A page in a browser: what it draws, sorts and filters, and that nothing in a record is obeyed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from axe_core_python.selenium import Axe
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from artifacts.record import Record
from artifacts.store import Store
from runner.report.page.assemble import write_html
from runner.report.page.content import read_content
from tests.runner.report.making import publish, record
from tests.runner.report.page.conftest import DESKTOP, PHONE, Browser

pytestmark = pytest.mark.browser

ATTACKS = (
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    "<!--<script>",
    "{{ 7 * 7 }} ${window.hacked=1} \u2028 \u202e",
    "'\"><svg onload=window.hacked=1>",
    "javascript:window.hacked=1",
    "datum.__proto__ || window.hacked=1",
)
"""Texts that would become markup or code where one was not escaped."""
HISTORY = [
    {"epoch": epoch, "train_loss": 1 / epoch, "val_accuracy": 1 - 0.5 / epoch, "train_s": 1.0}
    for epoch in (1, 2, 3)
]


def hostile_records() -> Iterator[Record]:
    """Trials of every kind of value that a user's code can bring along."""
    number = 0
    for attack in ATTACKS:
        for batch_size in (16, 64):
            for seed in range(2):
                number += 1
                failed = seed == 1 and batch_size == 64
                yield record(
                    number,
                    {"model": attack, "batch_size": batch_size, attack: attack, "profile": False},
                    seed=seed,
                    outcome="failed" if failed else "completed",
                    group=attack,
                    node=attack,
                    pid=batch_size,
                    cpu_model=attack,
                    error_type=attack if failed else None,
                    error_message=f"{attack}\nsecond line" if failed else None,
                    traceback=f'Traceback:\n  File "{attack}"' if failed else None,
                    log=f"sweeps/study/logs/{number:016x}-0.{seed}.log",
                    started_at=1.7e9 + 60 * number,
                    ended_at=1.7e9 + 60 * number + 50,
                    test_accuracy=None if failed else 0.5 + number / 100,
                    train_s=10.0 + number,
                    total_s=12.0 + number,
                    eval_s=1.0,
                    samples_per_s=100.0 * batch_size,
                    host_rss_gb=1.5,
                    history=None if failed else HISTORY,
                    commit="abc" if number % 2 else "def",
                    results={attack + "!": attack},
                )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the hostile trials, beside its store."""
    folder = tmp_path_factory.mktemp("reports")
    store = publish(folder / "a store #1", *hostile_records())
    logs = store.logs_folder("study")
    logs.mkdir(parents=True)
    for made in hostile_records():
        log = dict(made.values)["log"]
        (store.root / log).write_text("\n".join(ATTACKS) + "\x1b[31m\n")
    return written(store, folder / "report.html")


def written(store: Store, path: Path) -> Path:
    """The page of all sweeps of a store."""
    path.write_text(write_html(read_content(store, []), store, path))
    return path


@pytest.fixture
def opened(browser: Browser, page: Path) -> Iterator[Browser]:
    """The hostile page on a desktop, which complains of nothing while a test uses it."""
    browser.media()
    browser.size(*DESKTOP)
    if browser.driver.current_url != page.as_uri():
        browser.complaints()
        browser.open(page)
    yield browser
    assert browser.complaints() == []


def violations(browser: Browser) -> list[tuple[str, Any]]:
    """What axe-core finds wrong with the page as it is."""
    found = Axe().run(browser.driver)["violations"]
    return [(each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in found]


def test_no_text_of_a_record_becomes_markup_or_code(opened: Browser) -> None:
    assert opened.ask("return window.hacked ?? null") is None
    assert opened.ask("return document.scripts.length") == 5
    assert opened.ask("return document.querySelectorAll('img, iframe, object').length") == 0
    assert opened.ask("return performance.getEntriesByType('resource').length") == 0
    body = opened.ask("return document.body.textContent")
    for attack in ATTACKS[:3]:
        assert attack in body
    assert "\\u2028 \\u202e" in body, "what reorders text is spelled out"
    assert "49" not in opened.ask("return document.querySelector('h2').textContent")


def test_every_plot_is_drawn_and_described(opened: Browser) -> None:
    drawn = opened.ask(
        "return [...document.querySelectorAll('.plot')].map(place => ["
        " place.dataset.plot, place.querySelectorAll('svg path, svg line').length,"
        " place.closest('[role=img]').getAttribute('aria-label').length])"
    )
    names = {name for name, _, _ in drawn}
    assert names == {
        "speed-up", "accuracy-against-time", "learning-val_accuracy", "learning-train_loss",
        "batch-size-samples_per_s", "batch-size-host_rss_gb", "time-ledger", "timeline",
    }  # fmt: skip
    assert all(marks > 5 and described > 30 for _, marks, described in drawn), drawn
    captions = opened.ask(
        "return [...document.querySelectorAll('figcaption')].map(each => each.textContent)"
    )
    assert all(re.search(r"\bn = \d", caption) for caption in captions), captions


def column(browser: Browser, name: str) -> list[str]:
    """The cells that a column of the table of all trials shows."""
    found: list[str] = browser.ask(
        "const heads = [...document.querySelectorAll('#all-trials thead th')];"
        "const place = heads.findIndex(each => each.textContent === arguments[0]);"
        "return [...document.querySelectorAll('#all-trials tbody tr')]"
        "  .map(row => row.cells[place]?.textContent)",
        name,
    )
    return found


def test_the_table_sorts_by_mouse_and_by_keyboard_and_filters(opened: Browser) -> None:
    driver = opened.driver
    heading = driver.find_element(By.XPATH, "//table[@id='all-trials']//th[.='test_accuracy']")
    order = heading.find_element(By.CSS_SELECTOR, ".dt-column-order")
    order.click()
    opened.wait_until(lambda: heading.get_attribute("aria-sort") == "ascending")
    shown = [float(cell) for cell in column(opened, "test_accuracy") if cell]
    assert shown == sorted(shown)
    order.send_keys(Keys.ENTER)
    opened.wait_until(lambda: heading.get_attribute("aria-sort") == "descending")
    shown = [float(cell) for cell in column(opened, "test_accuracy") if cell]
    assert shown == sorted(shown, reverse=True)

    outcome = Select(driver.find_element(By.XPATH, "//label[starts-with(., 'outcome')]/select"))
    outcome.select_by_visible_text("failed")
    opened.wait_until(lambda: column(opened, "outcome") == ["failed"] * len(ATTACKS))
    search = driver.find_element(By.CSS_SELECTOR, ".dt-search input")
    search.send_keys("onerror")
    opened.wait_until(lambda: len(column(opened, "outcome")) == 1)
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys(Keys.DELETE)
    opened.wait_until(lambda: len(column(opened, "outcome")) == len(ATTACKS))
    outcome.select_by_visible_text("all")
    opened.wait_until(lambda: len(column(opened, "outcome")) == 25)  # the first page of 28


def test_links_lead_to_the_logs(opened: Browser) -> None:
    found = opened.ask(
        "return [...document.querySelectorAll('#all-trials a, .cause a')].map(each => each.href)"
    )
    assert len(found) == 25 + len(ATTACKS)
    assert all(Path(unquote(urlsplit(link).path)).is_file() for link in found), found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_read_it(opened: Browser, size: tuple[int, int], scheme: str) -> None:
    opened.media(scheme=scheme)
    opened.size(*size)
    opened.ask("for (const each of document.querySelectorAll('details')) each.open = true")
    assert violations(opened) == []
    width = opened.ask("return document.documentElement.scrollWidth")
    assert width <= size[0], "only tables scroll sideways"
    red, green, blue = (
        int(part)
        for part in re.findall(
            r"\d+", opened.ask("return getComputedStyle(document.body).backgroundColor")
        )[:3]
    )
    assert (red + green + blue < 150) is (scheme == "dark")


def test_print_is_light_and_has_no_controls(opened: Browser) -> None:
    opened.media(kind="print", scheme="dark")
    ink = opened.ask("return getComputedStyle(document.querySelector('.plot svg text')).fill")
    assert ink == "rgb(27, 27, 27)"
    assert (
        opened.ask("return getComputedStyle(document.querySelector('.dt-search')).display")
        == "none"
    )
    assert opened.driver.execute_cdp_cmd("Page.printToPDF", {})["data"].startswith("JVBERi")


def many_parameters() -> Iterator[Record]:
    """One trial with forty parameters of long names."""
    long = {f"a_parameter_with_quite_a_long_name_{n}": f"value {n} " * 20 for n in range(40)}
    yield record(1, long, test_accuracy=0.5, train_s=1.0, total_s=2.0)


def failures_everywhere() -> Iterator[Record]:
    """Nothing completed, in forty ways."""
    for number in range(40):
        letter = chr(ord("a") + number % 26) * (1 + number // 26)
        yield record(
            number, {"lr": number}, outcome="failed", error_type="ValueError",
            error_message=f"{letter} is no number", started_at=1.7e9, ended_at=1.7e9 + 1,
        )  # fmt: skip


@pytest.mark.parametrize("records", [many_parameters, failures_everywhere, tuple])
def test_an_ugly_store_gives_a_sound_page(browser: Browser, tmp_path: Path, records: Any) -> None:
    browser.media()
    browser.size(*PHONE)
    browser.complaints()
    browser.open(written(publish(tmp_path / "store", *records()), tmp_path / "report.html"))
    assert browser.complaints() == []
    assert violations(browser) == []
    assert browser.ask("return document.documentElement.scrollWidth") <= PHONE[0]
