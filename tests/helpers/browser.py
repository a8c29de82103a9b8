"""A page in headless Chromium, spoken to through a pipe: no driver, no port and no package is needed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

START = """
import fcntl, os, sys
away = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
os.dup2(away[0], 3)
os.dup2(away[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads commands from descriptor 3 and answers on 4: this puts the pipes there and becomes it."""
SEEN = Path(__file__).with_name("seen_page.js").read_text("utf-8")
"""JavaScript that says what is seen of a page: texts, sizes, contrasts, what sticks out or cannot be reached."""
FAULTLESS = {"small": [], "pale": [], "wide": [], "unreached": [], "outside": []}
"""What it says of a page that is as it should be, beside how many screens the page is long."""


def chromium() -> str | None:
    """The path of a Chromium that is installed, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


SEEN_IN_CHROMIUM = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="needs Chromium on the path, and found none"),
]
"""Marks of a file of tests that open pages."""


class Browser:
    """One tab. heard: every event so far, in order."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._rest, self._number, self._session = to, back, b"", 0, ""
        self.heard: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command of the DevTools protocol; RuntimeError where it fails."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._to, json.dumps(command).encode() + b"\0")
        while (message := self._next()).get("id") != self._number:
            self.heard.append(message)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message["result"]

    def open(
        self, path: Path, place: str = "", width: int = 1280, height: int = 800, dark: bool = False
    ) -> None:
        """Load a file at a size and a colour scheme, and wait until it is there."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=scheme)
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.heard.clear()
        self.ask("Page.navigate", url="about:blank")
        answer = self.ask("Page.navigate", url=path.resolve().as_uri() + (f"#{place}" if place else ""))
        if "errorText" in answer:
            raise RuntimeError(f"{path}: {answer['errorText']}")
        while not any(
            each.get("method") == "Page.loadEventFired" for each in self.heard[self._last_navigation() :]
        ):
            self.heard.append(self._next())

    def _last_navigation(self) -> int:
        places = [
            place
            for place, each in enumerate(self.heard)
            if each.get("method") == "Page.frameNavigated"
            and each["params"]["frame"]["url"].startswith("file:")
        ]
        return places[-1] if places else len(self.heard)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    @property
    def complaints(self) -> list[str]:
        """Errors of the console, and requests for anything but files of this machine, since the last `open`."""
        found = []
        for each in self.heard:
            method, said = each.get("method"), each.get("params", {})
            if method == "Runtime.exceptionThrown" or (
                method == "Log.entryAdded" and said["entry"]["level"] == "error"
            ):
                found.append(json.dumps(said))
            if method == "Runtime.consoleAPICalled" and said["type"] in ("error", "assert"):
                found.append(json.dumps(said))
            if method == "Network.requestWillBeSent":
                url = said["request"]["url"]
                if not url.startswith(("file:", "data:", "about:")):
                    found.append(url)
        return found

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._back, 1 << 20)
            if not more:
                raise RuntimeError("Chromium ended")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """A tab of the Chromium at `path`, with a profile of its own that goes with it."""
    theirs_in, to = os.pipe()
    back, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        started = subprocess.Popen(
            [
                sys.executable,
                "-c",
                START,
                str(theirs_in),
                str(theirs_out),
                path,
                *OPTIONS,
                f"--user-data-dir={profile}",
            ],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(to, back)
        finally:
            os.close(to)
            os.close(back)
            started.kill()
            started.wait()
