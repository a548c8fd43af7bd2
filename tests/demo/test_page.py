"""The demo's page in Chromium: type, upload, read the answer."""

import shutil
import socket
import time

import pytest
from chromium import browser_or_skip

from mner_keras.errors import InputError

pytestmark = pytest.mark.browser
POST = "So proud of Bosch this weekend"


@pytest.fixture(scope="module")
def address(model_of, pictures):
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    from mner_keras.demo.answering import Answering
    from mner_keras.demo.page import build_page, launch_page

    few = {key: pictures[key] for key in ("sample-00801", "sample-00812")}
    example = ("My favourite picture of HEINZ", str(pictures["sample-00802"]))
    page = build_page(Answering(model_of("agban"), few), "agban", [example])
    yield launch_page(page, "127.0.0.1", None)
    page.close(verbose=False)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from browser_or_skip(tmp_path_factory.mktemp("profile"))


def found(browser, css, that=lambda element: True, seconds=120):
    """The first element of a selector for which something holds; waits for it."""
    from selenium.common.exceptions import StaleElementReferenceException

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for element in browser.find_elements("css selector", css):
            try:
                if that(element):
                    return element
            except StaleElementReferenceException:
                continue
        time.sleep(0.1)
    raise AssertionError(f"no {css} in {browser.find_element('css selector', 'body').text}")


def upload(browser, path):
    browser.find_element("css selector", "input[type=file]").send_keys(str(path))


def test_type_upload_swap_and_remove(browser, address, pictures, tmp_path):
    browser.get(address)
    found(browser, "#mner-find").click()
    assert "found no words" in found(browser, "[role=alert]").text
    found(browser, "#mner-text textarea").send_keys(POST)
    found(browser, "#mner-find").click()
    answer = found(browser, "#mner-answer", lambda e: "Without a picture" in e.text)
    assert all(word in answer.text for word in POST.split())
    assert "sees no object" in answer.text
    assert not answer.find_elements("css selector", "img")

    upload(browser, pictures["sample-00812"])
    answer = found(browser, "#mner-answer", lambda e: "With the picture sample-00812.png" in e.text)
    assert answer.find_element("css selector", "img").get_property("naturalWidth") == 96
    assert len(answer.find_elements("css selector", "svg rect")) == 2
    assert [cell.text for cell in answer.find_elements("css selector", "tr th:first-child")][1:] == ["orange", "red"]
    assert "Without a picture" in found(browser, "#mner-before").text

    found(browser, "#mner-swap").click()
    found(browser, "#mner-answer", lambda e: "With the picture sample-00801.png" in e.text)
    found(browser, "#mner-none").click()
    found(browser, "#mner-answer", lambda e: "Without a picture" in e.text)

    bad = tmp_path / "holiday.png"
    bad.write_bytes(b"no picture")
    upload(browser, bad)
    message = found(browser, "[role=alert]").text
    assert message == "holiday.png: is no picture in JPEG, PNG, WEBP, GIF or BMP"
    # What was there before it, no picture, is there still.
    found(browser, "#mner-find").click()
    found(browser, "#mner-answer", lambda e: "Without a picture" in e.text)

    found(browser, "button", lambda e: e.text == "My favourite picture of HEINZ").click()
    found(browser, "#mner-answer", lambda e: "With the picture sample-00802.png" in e.text)
    # Nothing was asked of another host.
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert len(asked) > 5
    assert [name for name in asked if not name.startswith((address, "data:", "blob:"))] == []


def test_a_port_that_is_taken_is_told(model_of, address):
    from mner_keras.demo.answering import Answering
    from mner_keras.demo.page import build_page, launch_page

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot serve on 127.0.0.1, port {port}"):
            launch_page(build_page(Answering(model_of("text")), "text"), "127.0.0.1", port)


def test_chromium_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(pytest.skip.Exception, match="Chromium"):
        next(browser_or_skip(tmp_path))
