"""A real Chromium, which Debian's package `chromium` brings; without it, these tests are skipped.

The environment variable CHROMIUM names the program, if it has another name.
"""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.page.gateway import Gateway

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The machine may be busy.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = filter(None, (os.environ.get("CHROMIUM"), *PROGRAMS))
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium: install the package chromium, or name the program in CHROMIUM")
    # Chromium's own sandbox does not start for root, nor in most containers.
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as made:
        yield made


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1200, "height": 800})
    made.set_default_timeout(PATIENCE)
    made.grant_permissions(["clipboard-read", "clipboard-write"])
    yield made
    made.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: errors of scripts, and what the page's policy forbade.  A test may clear it."""
    return []


@pytest.fixture
def page(context: BrowserContext, gateway: Gateway, complaints: list[str]) -> Iterator[Page]:
    """The page, when it is ready.  A script that fails, or breaks the page's policy, fails the test."""
    made = watched(context.new_page(), complaints)
    ready(made, gateway.url)
    yield made
    assert complaints == []


def watched(page: Page, complaints: list[str]) -> Page:
    def note(message: Any) -> None:
        # A status of 400 and above is an error on the console, too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", note)
    return page


def ready(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("body[data-ready]")).to_be_attached()
