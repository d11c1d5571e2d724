"""A real browser: Debian's Chromium without a window."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from tests.patience import PATIENCE_S

DESKTOP, PHONE = (1280, 900), (390, 844)


class Browser:
    """Opens pages of files, and looks at them."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, page: Path) -> None:
        """Open a page and wait until its plots are drawn."""
        self.driver.get(page.as_uri())
        self.wait_until(lambda: self.ask("return document.documentElement.dataset.plots"))

    def wait_until(self, true: Callable[[], object]) -> None:
        """Wait for a page that answers a click in its own time."""
        WebDriverWait(self.driver, PATIENCE_S).until(lambda _: true())

    def ask(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def complaints(self) -> list[str]:
        """What the browser has logged since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def size(self, width: int, height: int) -> None:
        """Make the window so large, in CSS pixels."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def media(self, *, kind: str = "screen", scheme: str = "light") -> None:
        """Have pages see a screen or a printer, and a light or a dark scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": kind, "features": features}
        )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for the tests of a module."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        why = f"{' and '.join(missing)} not installed (.ci/install-debian-packages installs them)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must test pages in a real browser: {why}")
        pytest.skip(why)
    options = Options()
    options.binary_location = str(programs["chromium"])
    for argument in (
        "--headless=new",
        "--no-sandbox",  # root may not start it otherwise
        "--disable-dev-shm-usage",
        "--disable-gpu",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(programs["chromedriver"]))
    driver.set_page_load_timeout(PATIENCE_S)
    driver.set_script_timeout(PATIENCE_S)
    yield Browser(driver)
    driver.quit()
