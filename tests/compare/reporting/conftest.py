"""A browser for the tests that see pages."""

import pytest

from tests.helpers.browser import browser, chromium


@pytest.fixture(scope="module")
def tab():
    with browser(str(chromium())) as opened:
        yield opened
