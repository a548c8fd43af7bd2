"""The report, the post view and the demo in Chromium."""

import base64
import json
import socket
import time
import urllib.error
import urllib.request

import pytest
from chromium import browser_or_skip

from mner_keras import load_dataset
from mner_keras.errors import InputError

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("eagerly")]
POST = "So proud of Bosch this weekend"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from browser_or_skip(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def opened(browser, page):
    """The page, freshly loaded in a window of 1280 x 900."""
    set_width(browser, 1280)
    browser.get(page.as_uri())
    return browser


def set_width(browser, width, dark=False):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def first(browser, css):
    element = browser.find_element("css selector", css)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    return element


def test_the_report_loads_without_another_request(opened):
    assert opened.find_element("css selector", "h1").text == "HSN table 5"
    asked = opened.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in asked if not name.startswith("data:")] == []
    # Warnings may be of the browser itself.
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []
    # The page's policy blocks requests.
    script = """const done = arguments[0];
        document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective));
        fetch('data:,other').catch(() => {})"""
    assert opened.execute_async_script(script) == "connect-src"
    # The posts' pictures and the curves are drawn.
    drawn = "return [...document.querySelectorAll('#run-1 image')].filter(e => e.getBBox().width > 0).length"
    assert opened.execute_script(drawn) >= 3
    assert opened.execute_script("return [...document.images].every(e => e.naturalWidth > 0)")


def test_a_token_shows_its_numbers_by_pointer_and_by_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    post = first(opened, "#run-2 .mner-post:has(figure svg):has(label.mner-token)")
    tokens = post.find_elements("css selector", "label.mner-token")
    numbers = "[...e.querySelectorAll('.mner-over b')].map(b => b.textContent)"
    cells = "[...e.closest('.mner-post').querySelectorAll('tbody tr:nth-child(2) td')].map(c => c.textContent)"
    tokens[1].click()
    shown = post.find_elements("css selector", "input:checked ~ .mner-over .mner-row b")
    texts = [element.text for element in shown]
    assert texts == opened.execute_script(f"const e = arguments[0]; return {numbers}", tokens[1])
    assert texts == opened.execute_script(f"const e = arguments[0]; return {cells}", tokens[1])
    # The numbers lie over the rows of the figure.
    over, under = (
        post.find_elements("css selector", f"{one} .mner-row")[0] for one in ("input:checked ~ span", "figure")
    )
    assert over.location == under.location
    # The tokens are one stop of the tab key; the arrow keys go from one to the next.
    opened.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    checked = post.find_element("css selector", "input:checked")
    assert checked == tokens[2].find_element("css selector", "input") == opened.switch_to.active_element
    checked.send_keys(Keys.TAB)
    assert opened.switch_to.active_element.tag_name == "summary"


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_scrolls_no_page_sideways(opened, width):
    set_width(opened, width)
    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert opened.execute_script("return [document.documentElement.scrollWidth, innerWidth]") == [width, width]
    out = """return [...document.querySelectorAll('body *')].filter(e =>
        e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, .mner-scroll, .mner-unseen, .skip'))
        .map(e => e.outerHTML.slice(0, 80))"""
    assert opened.execute_script(out) == []


CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const over = (colours) => {
  canvas.clearRect(0, 0, 1, 1);
  for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
};
const light = ([r, g, b]) => .2126 * r + .7152 * g + .0722 * b;
const page = getComputedStyle(document.body).backgroundColor;
const poor = [];
for (const element of document.querySelectorAll('body *:not(svg *)')) {
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !element.checkVisibility() || element.closest('.mner-unseen, .mner-over')) continue;
  const under = [];
  for (let e = element; e; e = e.parentElement) under.unshift(getComputedStyle(e).backgroundColor);
  const back = light(over([page, ...under]));
  const ink = light(over([page, ...under, getComputedStyle(element).color]));
  const ratio = (Math.max(back, ink) + .05) / (Math.min(back, ink) + .05);
  if (ratio < 4.5) poor.push(ratio.toFixed(2) + ' ' + element.outerHTML.slice(0, 100));
}
return poor;
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_is_readable(opened, dark):
    """WCAG AA: a contrast of 4.5."""
    set_width(opened, 1280, dark)
    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert opened.execute_script(CONTRAST) == []


@pytest.fixture(scope="module")
def demo(browser):
    """The demo's address, and the pictures of the sample corpus."""
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    from run_folder import build_model

    from mner_keras.views.case import own_pictures
    from mner_keras.views.demo import DemoSession, build_page, launch_page

    data = load_dataset("sample")
    pictures = own_pictures(data)
    few = {key: pictures[key] for key in ("sample-00801", "sample-00812")}
    session = DemoSession(build_model("agban", data)[0], few)
    examples = [("My favourite picture of HEINZ", str(pictures["sample-00802"]))]
    page = build_page(session, examples, "trained on sample; F1 61.00 on its test posts")
    yield launch_page(page, "127.0.0.1", None), pictures
    page.close(verbose=False)


def find(browser, css, that=lambda element: True, seconds=120):
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


def test_demo(browser, demo, tmp_path):
    address, pictures = demo
    set_width(browser, 1280)
    browser.get(address)
    find(browser, "#mner-find").click()
    assert "found no words" in find(browser, "[role=alert]").text
    assert "finds LOC, ORG, OTHER, PER; trained on sample; F1 61.00" in find(browser, "header").text
    find(browser, "#mner-text textarea").send_keys(POST)
    find(browser, "#mner-find").click()
    answer = find(browser, "#mner-answer", lambda e: "Without a picture" in e.text)
    assert all(word in answer.text for word in POST.split())
    assert "sees no object" in answer.text
    assert not answer.find_elements("css selector", "image")
    assert not browser.find_elements("css selector", "[role=alert]")

    upload(browser, pictures["sample-00812"])
    answer = find(browser, "#mner-answer", lambda e: "With sample-00812.png" in e.text)
    assert len(answer.find_elements("css selector", "figure svg image")) == 1
    assert len(answer.find_elements("css selector", "figure svg rect")) == 2
    assert [label.text for label in answer.find_elements("css selector", "figure svg text")] == ["orange", "red"]
    objects = [row.text.split()[0] for row in answer.find_elements("css selector", "figure .mner-row")]
    assert objects == ["orange", "red"]
    # Selecting a word shows its attention, without a script.
    answer.find_elements("css selector", "label.mner-token")[1].click()
    assert len(answer.find_elements("css selector", "input:checked ~ .mner-over b")) == 2
    assert "Without a picture" in find(browser, "#mner-before").text

    # Colours on their way from one mode to the other are neither's.
    still = "<style>* {transition: none !important}</style>"
    browser.execute_script("document.head.insertAdjacentHTML('beforeend', arguments[0])", still)
    for dark in (False, True):
        set_width(browser, 1280, dark)
        # Gradio follows the mode when it loads; the answers follow gradio's mode.
        browser.execute_script("document.body.classList.toggle('dark', arguments[0])", dark)
        assert browser.execute_script(CONTRAST) == []
    set_width(browser, 390)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    set_width(browser, 1280)

    find(browser, "#mner-swap").click()
    find(browser, "#mner-answer", lambda e: "With sample-00801.png" in e.text)
    find(browser, "#mner-picture button[aria-label='Remove Image']").click()
    find(browser, "#mner-answer", lambda e: "Without a picture" in e.text)

    bad = tmp_path / "holiday.png"
    bad.write_bytes(b"no picture")
    upload(browser, bad)
    message = find(browser, "[role=alert]").text
    assert message == "holiday.png: is no picture in JPEG, PNG, WEBP, GIF or BMP"
    # The last answer remains, and there is no picture.
    assert "Without a picture" in find(browser, "#mner-answer").text
    find(browser, "#mner-find").click()
    find(browser, "#mner-message", lambda e: not e.text)

    find(browser, "button", lambda e: e.text == "My favourite picture of HEINZ").click()
    find(browser, "#mner-answer", lambda e: "With sample-00802.png" in e.text)
    # Nothing was asked of another host.
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert len(asked) > 5
    assert [name for name in asked if not name.startswith((address, "data:", "blob:"))] == []


def test_the_demo_answers_in_json(demo):
    def post(text, picture=""):
        body = json.dumps({"data": [text, picture]}).encode()
        request = urllib.request.Request(
            f"{demo[0]}gradio_api/run/tag", body, headers={"Content-Type": "application/json"}
        )
        return json.load(urllib.request.urlopen(request))["data"][0]

    found = post(POST)
    assert all(POST[one["start_char"] : one["end_char"]] == one["text"] for one in found)
    seen = post(POST, base64.b64encode(demo[1]["sample-00812"].read_bytes()).decode())
    assert seen != found or not found
    for data, expected in (
        ([""], "expected a post, found no words"),
        ([POST, "?"], "expected a picture's file in base64"),
        ([POST, base64.b64encode(b"text").decode()], "picture"),
    ):
        with pytest.raises(urllib.error.HTTPError) as error:
            post(*data)
        assert expected in error.value.read().decode()


def test_a_port_in_use_is_an_error(model_of, demo):
    from mner_keras.views.demo import DemoSession, build_page, launch_page

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot serve on 127.0.0.1, port {port}"):
            launch_page(build_page(DemoSession(model_of("text")[0])), "127.0.0.1", port)
