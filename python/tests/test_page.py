"""The page that the server shows, in a real Chromium."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support import Server

import flint

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MARKUP = "<img src=x onerror=alert(1)>\u202e\"'&"
# A busy machine takes long to draw.
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None, "install Debian's package chromium: packaging/debian-packages.txt"
    with sync_playwright() as playwright:
        # Tests run as root in containers, where the sandbox of Chromium does not start.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page whose every request, error and dialog is noted."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.url = url
        self.problems: list[str] = []
        self.hosts: set[str] = set()
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))

    def show(self, view: str = "") -> Page:
        self.page.goto(f"{self.url}/#/{view}")
        return self.page

    def close(self) -> None:
        self.context.close()
        assert self.problems == []
        assert self.hosts == {self.url.removeprefix("http://")}


expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def limiter(server: Server) -> Iterator[flint.SharedLimiter]:
    with flint.SharedLimiter(server.url) as limiter:
        limiter.limit("api:user-42", "10/s burst 20, 1000/d")
        limiter.limit("ip:*", "2/d")
        limiter.limit(MARKUP, "5/d")
        yield limiter


@pytest.fixture
def watched(browser: Browser, server: Server, limiter: flint.SharedLimiter) -> Iterator[Watched]:
    watched = Watched(browser, server.url)
    yield watched
    watched.close()


def rate_of(limiter: flint.SharedLimiter, key: str) -> int:
    status = limiter.status(key)
    assert status is not None
    return status["rate"]


def test_the_overview_tells_what_is_decided_as_it_happens(watched: Watched, limiter: flint.SharedLimiter) -> None:
    page = watched.show()
    expect(page.locator("#state")).to_have_text("live")
    expect(page.get_by_text("0 since the start").first).to_be_visible()
    for _ in range(5):
        limiter.check("ip:10.0.0.1")
    expect(page.get_by_text("2 since the start")).to_be_visible()
    expect(page.get_by_text("3 since the start")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="ip:*")).to_be_visible()
    page.reload()
    expect(page.get_by_role("region", name="Keys that were denied most").get_by_text("ip:10.0.0.1")).to_be_visible()


def test_keys_are_shown_as_text_whatever_they_contain(watched: Watched, limiter: flint.SharedLimiter) -> None:
    limiter.limit("k" * 512, "5/d")
    page = watched.show("limits")
    expect(page.get_by_text("<img src=x onerror=alert(1)>\\u{202e}\"'&")).to_be_visible()
    assert page.locator("main img").count() == 0
    width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1]
    page.get_by_text("<img src=x").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x")
    expect(page.get_by_text("5/d").first).to_be_visible()


def test_a_limit_is_set_changed_and_deleted(watched: Watched, limiter: flint.SharedLimiter) -> None:
    page = watched.show("limits")
    page.get_by_role("button", name="New limit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key").fill("new")
    dialog.get_by_label("Limit, such as").fill("7/m")
    save = dialog.get_by_role("button", name="Show the change")
    save.click()
    expect(dialog.locator("ins")).to_have_text("7/m")
    assert "new" not in [status["key"] for status in limiter.list()]
    save.click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text="7/m")).to_be_visible()

    page.get_by_role("button", name="Change new").click()
    dialog.get_by_label("Limit, such as").fill("8/m")
    save.click()
    expect(dialog.locator("del")).to_have_text("7/m")
    save.click()
    expect(page.get_by_role("row").filter(has_text="8/m")).to_be_visible()

    page.get_by_role("button", name="Delete new").click()
    dialog.get_by_role("button", name="Cancel").click()
    assert rate_of(limiter, "new") == 8
    page.get_by_role("button", name="Delete new").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("row").filter(has_text="8/m")).to_have_count(0)
    assert "new" not in [status["key"] for status in limiter.list()]


def test_a_change_keeps_what_it_does_not_show(watched: Watched, limiter: flint.SharedLimiter) -> None:
    """A pattern that overrides carried limits stopped doing so once its rate was changed."""
    limiter.limit("plan:*", "5/d", override=True)
    page = watched.show("limits")
    page.get_by_role("button", name="Change plan:*").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Limit, such as").fill("6/d")
    save = dialog.get_by_role("button", name="Show the change")
    save.click()
    expect(dialog.locator("ins")).to_have_text("6/d, overrides limits that come with checks")
    save.click()
    expect(page.get_by_role("row").filter(has_text="6/d")).to_be_visible()
    status = limiter.status("plan:*")
    assert status is not None and status["override"]


def test_an_address_that_means_nothing_is_taken_as_it_stands(watched: Watched) -> None:
    """The page went on showing the view before."""
    page = watched.show("key/%")
    expect(page.get_by_role("heading", level=1)).to_have_text("%")
    watched.problems = [text for text in watched.problems if "status of 404" not in text]


def test_a_key_is_followed_and_reset(watched: Watched, limiter: flint.SharedLimiter) -> None:
    limiter.check("api:user-42", 4)
    page = watched.show("key/api%3Auser-42")
    expect(page.get_by_text("996", exact=True).or_(page.get_by_text("20", exact=True)).first).to_be_visible()
    expect(page.get_by_role("region", name="History").get_by_text("allowed")).to_be_visible()
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("dialog").get_by_role("button", name="Reset").click()
    expect(page.get_by_role("region", name="History").get_by_text("reset")).to_be_visible()
    status = limiter.status("api:user-42")
    assert status is not None and status["last_reset_at"] is not None


def test_a_try_takes_nothing(watched: Watched, limiter: flint.SharedLimiter) -> None:
    page = watched.show("try")
    form = page.locator("form").first
    form.get_by_label("Key").fill("ip:1")
    form.get_by_label("Cost").fill("2")
    form.get_by_role("button").click()
    expect(page.get_by_text("It would be allowed.")).to_be_visible()
    limiter.check("ip:1", 2)
    form.get_by_role("button").click()
    expect(page.get_by_text("It would be denied.")).to_be_visible()
    other = page.locator("form").nth(1)
    other.get_by_label("Key").fill("ip:1")
    other.get_by_role("button").click()
    expect(page.get_by_text("about 1 (100 of 100)")).to_be_visible()


def test_what_the_server_refuses_is_said(watched: Watched) -> None:
    page = watched.show("limits")
    page.get_by_role("button", name="New limit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key").fill("new")
    dialog.get_by_label("Limit, such as").fill("7/M")
    dialog.get_by_role("button", name="Show the change").click()
    expect(dialog.get_by_role("alert")).to_contain_text("unknown unit of time")
    # The browser itself notes the refusal.
    watched.problems = [text for text in watched.problems if "status of 400" not in text]


def test_the_doctor_examines(watched: Watched) -> None:
    page = watched.show("doctor")
    page.get_by_role("button", name="Examine").click()
    expect(page.get_by_text("The data directory is sound.")).to_be_visible()
    expect(page.get_by_role("cell", name="manifest").first).to_be_visible()


def test_a_server_that_comes_back_is_followed_again(watched: Watched, server: Server) -> None:
    page = watched.show()
    expect(page.locator("#state")).to_have_text("live")
    server.stop()
    expect(page.locator("#state")).not_to_have_text("live")
    watched.problems.clear()
    server.start()
    expect(page.locator("#state")).to_have_text("live")
    watched.problems = [text for text in watched.problems if "ERR_CONNECTION" not in text]


def test_a_token_is_asked_for_once_and_kept_for_the_tab(browser: Browser, tmp_path: Path) -> None:
    server = Server(tmp_path / "guarded", "--token", "a-token-of-the-admin")
    watched = Watched(browser, server.url)
    try:
        page = watched.show()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Token").fill("wrong")
        dialog.get_by_role("button", name="Go on").click()
        dialog.get_by_label("Token").fill("a-token-of-the-admin")
        dialog.get_by_role("button", name="Go on").click()
        expect(page.locator("#state")).to_have_text("live")
        page.reload()
        expect(page.locator("#state")).to_have_text("live")
        expect(dialog).to_have_count(0)
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        watched.problems = [text for text in watched.problems if not re.search("status of 40[13]", text)]
    finally:
        watched.close()
        server.stop()
