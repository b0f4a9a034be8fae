"""Chromium for the browser tests; each page is watched for errors and requests to other hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.peers import PeerMissingError, find

ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
]  # fmt: skip
LOOPBACK = "127.0.0.1"
DEADLINE_MS = 30_000
"""How long a page may take to say something: a drawing is made by the processor here, and that is
shared."""
expect.set_options(timeout=DEADLINE_MS)
LOCAL_SCHEMES = {"about", "blob", "data"}


@dataclass
class Watch:
    """What a page did that no page of ours may do."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        """Note the page's uncaught errors, its policy's refusals and its requests elsewhere."""
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self._heard(said.type, said.text))
        page.on("request", lambda request: self._asked(request.url))

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error" and "Content Security Policy" in text:
            self.errors.append(text)

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in LOCAL_SCHEMES and parts.hostname != LOOPBACK:
            self.foreign.append(url)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Return the path of Debian's Chromium."""
    try:
        return str(find("chromium"))
    except PeerMissingError:
        return ""


@pytest.fixture(scope="session")
def _browser(chromium_path: str) -> Iterator[Browser | None]:
    if not chromium_path:
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(_browser: Browser | None, peers) -> Iterator[Callable[..., Page]]:
    """Open pages in contexts of their own; afterwards none may have failed or called elsewhere."""
    peers.find("chromium")
    assert _browser is not None
    contexts: list[BrowserContext] = []
    watches: list[Watch] = []

    def opened(url: str, *, width: int = 1280, height: int = 800, phone: bool = False) -> Page:
        context = _browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=2 if phone else 1,
            has_touch=phone,
            is_mobile=phone,
        )
        contexts.append(context)
        context.set_default_timeout(DEADLINE_MS)
        page = context.new_page()
        watch = Watch()
        watch.attach(page)
        watches.append(watch)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [error for watch in watches for error in watch.errors] == []
    assert [url for watch in watches for url in watch.foreign] == []
