"""A real Chromium without a screen, and visitors who look at pages with it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.house.web import Person


if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route


WIDTHS = (1280, 390)  # pixels: a desktop and a telephone
PATIENCE = 60_000  # milliseconds for one page, under load
SCREENSHOTS = "MAILMAN_ARC_SCREENSHOTS"  # names the directory they are put into

_HEIGHT = 900
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
_VARYING = r'\s(class|aria-current)="[^"]*"'
_TOO_WIDE = """() => {
    const root = document.documentElement;
    return root.scrollWidth - root.clientWidth;
}"""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """The Chromium of the system, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # In a container, and as root, there is no sandbox of Chromium's.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        try:
            yield browser
        finally:
            browser.close()


def what_is_missing() -> list[str]:
    """The packages and programs that a browser lacks here."""
    packages = ("playwright", "axe_playwright_python")
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return missing + [name for name in ("chromium",) if shutil.which(name) is None]


@dataclass(frozen=True, slots=True)
class Flaw:
    """What axe-core finds wrong with one element of a page."""

    rule: str
    element: str  # its HTML, without what may differ between two pages; or its colours

    def __str__(self) -> str:
        return f"{self.rule}: {self.element}"

    @classmethod
    def of(cls, rule: str, node: dict[str, Any]) -> Flaw:
        """As axe-core tells of it."""
        for check in node["any"]:
            told = check["data"]
            if isinstance(told, dict) and "fgColor" in told:
                return cls(rule, " ".join(sorted((told["fgColor"], told["bgColor"]))))
        html = re.sub(_VARYING, "", node["html"])
        return cls(rule, " ".join(html.split()))


@dataclass
class Visitor:
    """Somebody with a window of his own, logged in or not.

    `complaints` are those of the page that is open: what the browser says on its
    console, what could not be loaded, and whom else the page wanted to ask.
    """

    name: str
    base: str
    page: Page
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> int:
        """Go to a page; answers with its status."""
        self.complaints.clear()
        answer = self.page.goto(self.base + path, wait_until="load")
        assert answer is not None
        return answer.status

    def resize(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": _HEIGHT})

    def unfold(self) -> None:
        """Show what the page has folded away."""
        for each in self.page.locator("details").all():
            each.evaluate("details => { details.open = true }")

    @property
    def text(self) -> str:
        """What is to be read on the page."""
        return self.page.inner_text("body")

    @property
    def path(self) -> str:
        """Where the visitor is, after all redirects."""
        return urlsplit(self.page.url).path

    def too_wide(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.page.evaluate(_TOO_WIDE))

    def flaws(self) -> set[Flaw]:
        """What axe-core finds, by the rules of WCAG 2.1, levels A and AA."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, options={"runOnly": _RULES}).response
        return {
            Flaw.of(violation["id"], node)
            for violation in found["violations"]
            for node in violation["nodes"]
        }

    def take_picture(self, name: str) -> None:
        """Save a screenshot, where the environment asks for it."""
        if directory := os.environ.get(SCREENSHOTS):
            file = Path(directory) / f"{name}-{self.name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=file, full_page=True)

    def _note(self, complaint: str) -> None:
        self.complaints.append(complaint)

    def watch(self) -> None:
        """Note what goes wrong, and let nothing out of the house."""
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self._note(f"script: {error}"))
        self.page.on(
            "console",
            lambda said: self._note(said.text) if said.type == "error" else None,
        )
        self.page.on("requestfailed", self._note_failure)
        self.page.route("**/*", self._keep_inside)

    def _note_failure(self, request: Request) -> None:
        self._note(f"not loaded: {request.url} {request.failure}")

    def _keep_inside(self, route: Route) -> None:
        if route.request.url.startswith((self.base, "data:")):
            route.continue_()
        else:
            self._note(f"wants to ask {route.request.url}")
            route.abort()


def visit(browser: Browser, base: str, person: Person | None = None) -> Visitor:
    """A new window, with cookies of its own, of somebody or of a stranger."""
    context = browser.new_context(viewport={"width": WIDTHS[0], "height": _HEIGHT})
    visitor = Visitor(person.name if person else "anonymous", base, context.new_page())
    visitor.watch()
    if person is not None:
        visitor.open("/accounts/login/")
        visitor.page.fill("#id_login", person.name)
        visitor.page.fill("#id_password", person.password)
        visitor.page.press("#id_password", "Enter")
        visitor.page.wait_for_url(f"{base}/mailman3/**")
    return visitor
