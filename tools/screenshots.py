#!/usr/bin/env python3
"""screenshots.py BUILD_DIR [NAME...]: take the pictures of the documents, docs/images/*.png. Default: all of them.

    help      tilegraph --help in a terminal
    finding   the finding about a program whose edge was removed, in a terminal
    report    the page of a run of 1,024 tasks
    trace     an interval of the same run, the critical path shown

Needs Debian's chromium, chromium-driver and python3-selenium. Exit code 1: one of them, or the build, is not there.
"""
import html
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
LARGE = ("build/bin/paged_attention", "--case", "PA-1", "--blocks-per-task", "64", "--report", "report.html")
COLORS = {"31": "#f2777a", "32": "#8fce7e", "33": "#e5c07b", "0": None}  # of ANSI sequences, on the dark ground
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #fff; }
pre { display: inline-block; margin: 0; padding: 16px 20px; background: #161b22; color: #d6dde6; border-radius: 8px;
    font: 13px/1.45 "DejaVu Sans Mono", monospace; white-space: pre-wrap; max-width: 1060px; }
b { color: #7fb0f5; font-weight: 600; }
</style><pre>"""

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
except ImportError:
    sys.exit(f"screenshots: no selenium for {sys.executable}: apt-get install python3-selenium")


def open_browser(width, height):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                 f"--window-size={width},{height}"):
        options.add_argument(word)
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


def run(folder, *words, exit_code=0):
    """What a command prints, on both streams together."""
    environment = {**os.environ, "PATH": f"{folder}/build/bin:{os.environ['PATH']}"}
    environment.pop("NO_COLOR", None)
    done = subprocess.run(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != exit_code:
        sys.exit(f"screenshots: {' '.join(words)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def colored(text):
    """HTML of what a terminal shows."""
    shown, is_open = "", False
    for part in re.split(r"(\x1b\[\d+m)", text):
        code = re.fullmatch(r"\x1b\[(\d+)m", part)
        if not code:
            shown += html.escape(part)
            continue
        shown += "</span>" * is_open
        color = COLORS[code[1]]
        is_open = color is not None
        shown += f'<span style="color:{color}">' if is_open else ""
    return shown


def terminal(folder, name, typed):
    """A picture of a terminal: pairs of a command that was typed, and what it printed."""
    page = folder / f"{name}.html"
    page.write_text(TERMINAL + "\n".join(f"<b>$ {html.escape(line)}</b>\n{colored(said)}" for line, said in typed))
    browser = open_browser(1100, 1000)
    try:
        browser.get(page.as_uri())
        browser.find_element(By.TAG_NAME, "pre").screenshot(str(IMAGES / f"{name}.png"))
    finally:
        browser.quit()


def take_help(folder):
    terminal(folder, "help", [("tilegraph --help", run(folder, "tilegraph", "--help").rstrip())])


def take_finding(folder):
    run(folder, "tilegraph", "new", "my_program", "-q")
    edit = "sed -i '/tg_add_edge/d' my_program/kernels/orchestration/orchestration.c"
    run(folder, "bash", "-c", edit)
    command = "tilegraph run my_program --case one-piece"
    said = run(folder, *command.split(), "--color", "always", exit_code=3)
    about_python = re.compile(r"^\[info\] .* has no numpy; going on with .*\n", re.M)  # of this computer alone
    terminal(folder, "finding", [(edit, ""), (command, about_python.sub("", said).rstrip())])


def page_of_run(folder, name, height, script):
    """A picture of the page of the large run after `script`."""
    if not (folder / "report.html").exists():
        run(folder, *LARGE)
    browser = open_browser(1400, height)
    try:
        browser.get((folder / "report.html").as_uri())
        browser.execute_script(script + ";return new Promise(done => requestAnimationFrame("
                                        "() => requestAnimationFrame(done)))")
        browser.save_screenshot(str(IMAGES / f"{name}.png"))
    finally:
        browser.quit()


def take_report(folder):
    page_of_run(folder, "report", 1320, "")


def take_trace(folder):
    page_of_run(folder, "trace", 1000, 'document.getElementById("path").click(); show(.3 * device, .42 * device); '
                                       'document.getElementById("timeline").scrollIntoView()')


TAKE = {"help": take_help, "finding": take_finding, "report": take_report, "trace": take_trace}


def main():
    if len(sys.argv) < 2 or not (Path(sys.argv[1]) / "bin/paged_attention").exists():
        sys.exit(f"usage: {Path(sys.argv[0]).name} BUILD_DIR [NAME...], after `make build`")
    names = sys.argv[2:] or list(TAKE)
    for name in names:
        if name not in TAKE:
            sys.exit(f"screenshots: there is no picture '{name}'; there are {', '.join(TAKE)}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "build").symlink_to(Path(sys.argv[1]).resolve())
        for name in names:
            TAKE[name](Path(folder))
            print(f"docs/images/{name}.png")


main()
