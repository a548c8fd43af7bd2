"""The page of `mner report` in Chromium: it loads alone, its figures open, it fits a phone and paper."""

import base64
import functools
import http.server
import threading

import pytest
from chromium import browser_or_skip

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from browser_or_skip(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def served(page):
    """The page's address on this machine, and the paths that were asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            asked.append(self.path)

        def end_headers(self):
            # Or the browser takes a page that was written minutes ago from its cache, and asks for nothing.
            self.send_header("Cache-Control", "no-store")
            super().end_headers()

    handler = functools.partial(Handler, directory=str(page.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{page.name}", asked
        server.shutdown()


@pytest.fixture
def opened(browser, served):
    """The page, freshly loaded in a window of 1280 x 900."""
    set_width(browser, 1280)
    browser.get(served[0])
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


def test_it_loads_without_an_error_and_without_another_request(opened, served):
    address, asked = served
    del asked[:]
    opened.get_log("browser")
    opened.get(address)
    assert opened.execute_script("return document.readyState") == "complete"
    assert opened.find_element("css selector", "h1").text == "HSN table 5"
    assert asked == ["/report.html"]
    # Warnings may be of the browser itself, of a slow machine for instance.
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []
    # Nothing could be fetched if something tried: the page's policy forbids it.
    script = "const done = arguments[0]; fetch('/other').then(() => done('fetched'), () => done('refused'))"
    assert opened.execute_async_script(script) == "refused"
    assert asked == ["/report.html"]
    # The posts' pictures are drawn.
    drawn = "return [...document.querySelectorAll('#run-1 .seen use')].filter(e => e.getBBox().width > 0).length"
    assert opened.execute_script(drawn) >= 3


def test_an_attention_figure_opens_by_a_click_and_a_word_says_its_numbers(opened):
    figure = first(opened, "#run-2 details.attention:has(.token[data-weights])")
    assert not figure.find_element("css selector", ".words").is_displayed()
    figure.find_element("css selector", "summary").click()
    assert figure.find_element("css selector", ".words").is_displayed()
    word = figure.find_elements("css selector", ".token")[1]
    word.click()
    said = figure.find_element("css selector", ".said").text
    assert said.startswith(word.find_element("css selector", "bdi").text + ": ")
    weights = [float(weight) for weight in word.get_attribute("data-weights").split()]
    bars = figure.find_elements("css selector", ".bar")
    shares = [
        float(opened.execute_script("return arguments[0].style.getPropertyValue('--share')", bar)) for bar in bars
    ]
    assert shares == weights


def test_the_keyboard_alone_opens_a_figure_and_goes_through_its_words(opened):
    from selenium.webdriver.common.keys import Keys

    summary = first(opened, "#run-1-post-1 details.attention summary")
    opened.execute_script("arguments[0].focus()", summary)
    summary.send_keys(Keys.ENTER)
    words = opened.find_elements("css selector", "#run-1-post-1 .token")
    assert words[0].is_displayed()
    summary.send_keys(Keys.TAB)
    assert opened.switch_to.active_element == words[0]
    said = opened.find_element("css selector", "#run-1-post-1 .said")
    assert "gamma" in said.text
    before = said.text
    words[0].send_keys(Keys.ARROW_RIGHT)
    assert opened.switch_to.active_element == words[1]
    assert said.text != before
    words[1].send_keys(Keys.END)
    assert opened.switch_to.active_element == words[-1]
    # One stop for all the words: the next tab leaves them.
    words[-1].send_keys(Keys.TAB)
    assert "token" not in opened.switch_to.active_element.get_attribute("class")


def test_all_figures_open_at_once(opened):
    button = first(opened, "#run-1 .open-all")
    button.click()
    count = "return [...document.querySelectorAll('details.attention')].filter(d => d.open).length"
    assert opened.execute_script(count) == 12
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert opened.execute_script(count) == 0


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_scrolls_no_page_sideways(opened, width):
    set_width(opened, width)
    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert opened.execute_script("return [document.documentElement.scrollWidth, innerWidth]") == [width, width]
    out = """return [...document.querySelectorAll('body *')].filter(e =>
        e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll') && !e.closest('.unseen'))
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
  if (!own || !element.checkVisibility() || element.closest('.unseen')) continue;
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
def test_every_text_stands_out_from_what_is_behind_it(opened, dark):
    set_width(opened, 1280, dark)
    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert opened.execute_script(CONTRAST) == []


def test_it_prints(opened):
    opened.execute_script(
        "window.seen = []; addEventListener('beforeprint', () => window.seen.push("
        "document.querySelectorAll('details.printed:not([open])').length))"
    )
    pdf = base64.b64decode(opened.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF")
    # What is folded for the screen's sake was open on paper, and is folded again.
    assert opened.execute_script("return window.seen") == [0]
    assert opened.execute_script("return document.querySelectorAll('details.printed[open]').length") == 0
