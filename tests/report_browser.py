#!/usr/bin/env python3
"""report_browser.py BUILD_DIR: the HTML page of a run in a headless browser, at 16 and at 65,792 tasks.

A person's hands: hover, click, zoom, find, keys, dark mode, print. Needs Debian's chromium, chromium-driver and
python3-selenium. Exit code 77: one of them is not there.
"""
import base64
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILD = Path(sys.argv[1])
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
LARGE = ("--case", "Case2", "--batch", "257", "--context", "1024")  # 65,792 tasks


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


try:
    from selenium import webdriver
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    skip(f"no selenium for {sys.executable}: apt-get install python3-selenium")
if not CHROMIUM or not DRIVER:
    skip("no chromium or no chromedriver: apt-get install chromium chromium-driver")


def open_browser():
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--window-size=1400,1100"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service(DRIVER), options=options)


class Page:
    """A page that is open, with the hands to use it."""

    def __init__(self, browser, path):
        self.browser = browser
        start = time.monotonic()
        browser.get(path.as_uri())
        self.js("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.seconds = time.monotonic() - start
        self.canvas = browser.find_element(By.CSS_SELECTOR, "#body canvas")

    def js(self, code, *arguments):
        return self.browser.execute_script(code, *arguments)

    def find(self, name):
        return self.browser.find_element(By.ID, name)

    def point(self, task):
        """Move the mouse to the middle of a task's box; returns the chain of actions."""
        x, y = self.js("const i = arguments[0], row = rowOf(i);"
                       "scrollBy(0, body.canvas.getBoundingClientRect().top + row.y - innerHeight / 2);"
                       "const box = body.canvas.getBoundingClientRect();"
                       "return [box.left + xOf((tasks.start[i] + tasks.end[i]) / 2, body.width),"
                       "        box.top + row.y + (row.h - row.gap) / 2]", task)
        actions = ActionChains(self.browser)
        actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        return actions

    def span(self):
        return self.js("return view.to - view.from")

    def chosen(self):
        return self.js("return view.chosen")

    def key(self, key):
        ActionChains(self.browser).send_keys(key).perform()


def check_hands(page, n_tasks):
    assert page.js("return tasks.n") == n_tasks
    head = page.browser.find_element(By.TAG_NAME, "header").text
    for text in ("paged_attention", "a2a3sim", "--report", time.strftime("%Y-")):
        assert text in head, f"the head lacks {text}: {head}"

    # Zoom: a button, the keyboard, a double-click; back to the whole run.
    whole = page.span()
    page.find("in").click()
    assert page.span() < whole
    page.key("w")
    assert page.span() < .5 * whole
    page.find("all").click()
    assert page.span() == whole
    ActionChains(page.browser).double_click(page.canvas).perform()
    assert abs(page.span() - whole / 4) < 2, page.span()
    page.key("0")
    assert page.span() == whole

    # Find by kernel; the box is brought into view. Hover shows the tip, a click the panel.
    page.key("/")
    page.find("search").send_keys("online_update", Keys.ENTER, Keys.ESCAPE)
    found = page.chosen()
    assert page.js("return kernelAt(arguments[0]).name", found) == "aiv_online_update"
    page.key(Keys.ESCAPE)
    assert page.chosen() == -1
    page.js("show(tasks.start[arguments[0]] - 500, tasks.end[arguments[0]] + 500); draw()", found)
    page.point(found).perform()
    tip = page.find("tip")
    assert tip.is_displayed() and "aiv_online_update" in tip.text, tip.text
    page.point(found).click().perform()
    assert page.chosen() == found
    panel = page.find("panel")
    assert panel.is_displayed() and "kernel starts" in panel.text, panel.text

    # The arrows go along the core.
    page.key(Keys.ARROW_RIGHT)
    after = page.chosen()
    page.key(Keys.ARROW_LEFT)
    assert after == found or page.chosen() == found

    # The source with times; dark and light; print.
    listing = page.find("listing").text
    assert "kernel_entry" in listing or "could not be read" in listing, listing[:300]
    titles = [cell.text for cell in page.find("listing").find_elements(By.TAG_NAME, "th")]
    assert titles == ["line", "", "work", "cycles", "wait", "cycles", "part", "source"], titles
    assert page.js("return losses.every(l => l.work.every((w, k) => k === 0 || w >= l.work[k - 1]))")
    light = page.js("return getComputedStyle(document.body).backgroundColor")
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                 {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    assert page.js("return document.documentElement.dataset.theme") == "dark"
    assert page.js("return getComputedStyle(document.body).backgroundColor") != light
    page.find("theme").click()
    assert page.js("return getComputedStyle(document.body).backgroundColor") == light
    pdf = base64.b64decode(page.browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF") and len(pdf) > 20000, len(pdf)
    errors = [row for row in page.browser.get_log("browser") if row["level"] == "SEVERE"]
    assert not errors, errors


def main():
    shots = os.environ.get("TG_SCREENSHOTS")
    with tempfile.TemporaryDirectory() as folder:
        for n_tasks, words in ((16, ("--case", "Case2")), (65792, LARGE)):
            path = Path(folder, f"{n_tasks}.html")
            subprocess.run([BUILD / "bin/paged_attention", *words, "--report", path], cwd=BUILD / "src", check=True,
                           stdout=subprocess.DEVNULL)
            browser = open_browser()
            try:
                page = Page(browser, path)
                if shots:
                    browser.save_screenshot(str(Path(shots, f"report-{n_tasks}.png")))
                check_hands(page, n_tasks)
                print(f"{n_tasks} tasks: opened and drawn in {page.seconds:.2f} s")
            finally:
                browser.quit()


main()
