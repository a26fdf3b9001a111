#!/usr/bin/env python3
"""How long a visitor of the pages waits, in headless Chromium on the machine that serves.

    make test-browser          # once: Chromium and Playwright
    PYTHONPATH=target/browser-python python3 benches/pages.py target/release results/bench/pages.md

The demonstration runs on the model that comes with the repository, with an empty store. Each figure is the median of the
repetitions, least and most beside it; nothing else is counted but what is said. A sweep's page is that of the browser
tests' experiment, run before.
"""

import argparse
import datetime
import os
import shutil
import statistics
import subprocess
import tempfile
import time

from playwright.sync_api import sync_playwright

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: Longest wait for anything.
MOST = 600
#: Shares that nobody has asked for before, by place on the slider.
RATIOS = [0, 1, 2, 4, 5, 6]
SETTLED = "document.querySelectorAll('#scores tbody tr').length === 8 && document.getElementById('beside').textContent === ''"


class Server:
    """`tacq-sweep serve`, for as long as the block lasts."""

    def __init__(self, programs, *arguments):
        program = os.path.join(programs, "tacq-sweep")
        self.argv = [os.path.abspath(program), "serve", *arguments, "--port", "0"]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self.process.stdout.readline().strip()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def until(page, expression):
    """Seconds until something is so."""
    begun = time.monotonic()
    while not page.evaluate(expression):
        if time.monotonic() - begun > MOST:
            raise TimeoutError(expression)
        time.sleep(0.005)
    return time.monotonic() - begun


def first_load(browser, url, ready, reps):
    """Seconds from the address to all of a page, each time with nothing kept by the browser."""
    times = []
    for _ in range(reps):
        context = browser.new_context()
        page = context.new_page()
        begun = time.monotonic()
        page.goto(url)
        until(page, ready)
        times.append(time.monotonic() - begun)
        context.close()
    return times


def change(page, name, place):
    """Moves a slider, and waits for the table that it leads to; seconds, the pause of a still hand included."""
    before = page.evaluate("(document.body.dataset.done ?? '').split(' ')[0]")
    page.evaluate(
        "([name, place]) => { const field = document.getElementById('choices').elements[name];"
        " field.value = place; field.dispatchEvent(new Event('input', { bubbles: true })); }",
        [name, place],
    )
    return until(page, f"(document.body.dataset.done ?? '').split(' ')[0] !== '{before}'")


def measure(programs, folder, reps):
    """All figures: what, seconds, what was asked for."""
    figures = []
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        experiment = os.path.join(ROOT, "tests", "browser", "experiment.yaml")
        sets = ["--store", os.path.join(folder, "sweep"), "--set", f"report.dir={os.path.join(folder, 'results')}"]
        run = [os.path.join(programs, "tacq-sweep"), "run", experiment, *sets]
        subprocess.run(run, cwd=ROOT, check=True, capture_output=True)
        with Server(programs, experiment, *sets) as url:
            drawn = "document.body.dataset.live === 'yes' && document.querySelectorAll('figure[data-drawn]').length > 8"
            first_load(browser, url, drawn, 1)
            figures.append(("a sweep's page, all figures drawn", first_load(browser, url, drawn, reps), "< 1 s"))
        with Server(programs, "--store", os.path.join(folder, "demo")) as url:
            shown = "document.getElementById('ratio-shown').textContent !== ''"
            figures.append(("the demonstration's page", first_load(browser, url, shown, reps), "< 1 s"))
            page = browser.new_context().new_page()
            page.goto(url)
            begun = time.monotonic()
            page.click("#compute")
            until(page, "document.body.dataset.done")
            figures.append(("nothing was computed before, four rows", [time.monotonic() - begun], "–"))
            until(page, SETTLED)
            figures.append(("and all methods", [time.monotonic() - begun], "–"))
            figures.append(("another share, to its table", [change(page, "ratio", at) for at in RATIOS], "< 5 s"))
            again = [change(page, "ratio", at) for _ in range(reps) for at in (3, 5)]
            figures.append(("all of it computed before", again, "< 0.3 s"))
        browser.close()
    return figures


def main():
    """Measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", help="folder with both programs, such as target/release")
    parser.add_argument("output", help="a Markdown file")
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--commit", required=True, help="what the programs were built from")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.programs, folder, options.reps)
    lines = [
        "# The pages, as a visitor waits for them",
        "",
        "Made by `benches/pages.py`, which says what and how. Seconds, medians, least and most in brackets.",
        "",
        f"{datetime.date.today()}, {os.cpu_count()} processors, commit {options.commit}.",
        "",
        "| what | seconds | goal |",
        "| --- | ---: | ---: |",
    ]
    for what, times, goal in figures:
        spread = f" [{min(times):.2f}, {max(times):.2f}] of {len(times)}" if len(times) > 1 else ""
        lines.append(f"| {what} | {statistics.median(times):.2f}{spread} | {goal} |")
    text = "\n".join(lines) + "\n"
    with open(options.output, "w", encoding="utf-8") as file:
        file.write(text)
    print(text)


if __name__ == "__main__":
    main()
