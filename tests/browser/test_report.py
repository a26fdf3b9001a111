"""The HTML report in a real browser.

    make test-browser

A small experiment is run on libtorch, its page opened in headless Chromium, and looked at as a reader would: at three
widths, in light and dark, by keyboard, and by axe. Screenshots are kept under target/browser/.
"""

import csv
import functools
import http.server
import io
import os
import threading
import unittest
import xml.etree.ElementTree

from pages import WIDTHS, Pages


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_):
        pass


class Report(Pages):
    """One page for all tests."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_program("run")
        cls.run_program("report", "--format", "html")
        handler = functools.partial(Quiet, directory=cls.results)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.url = f"http://127.0.0.1:{server.server_port}/report.html"

    def open(self, width=1280, scheme="light"):
        return self.open_page(self.url, width, scheme)

    def test_all_figures_are_drawn_and_nothing_is_asked_for_or_said(self):
        page = self.open()
        figures = page.locator("figure[data-chart]")
        self.assertEqual(figures.count(), page.locator("figure[data-drawn]").count(), "every figure has data here")
        kinds = set(figures.evaluate_all("all => all.map(f => f.dataset.chart)"))
        wanted = {"pareto", "differences", "memory", "weights", "errors", "circuit", "concentration", "overlap"}
        wanted |= {"saliency", "graph"}
        self.assertEqual(kinds, wanted)
        for index in range(figures.count()):
            marks = figures.nth(index).locator("svg [data-mark]")
            self.assertGreater(marks.count(), 0, figures.nth(index).inner_text())
        self.assertEqual(self.said, [])
        self.assertEqual([url for url in self.requests if not url.startswith("data:")], [self.url])

    def test_it_fits_every_width_in_light_and_dark(self):
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                page = self.open(width, scheme)
                self.look(page, f"report-{width}-{scheme}", width)
                cut = page.locator("figure[data-chart] .drawn").evaluate_all(
                    "all => all.filter(d => d.scrollWidth > d.clientWidth + 1).map(d => d.parentElement.innerText)"
                )
                self.assertEqual(cut, [], f"figures fit {width} px")

    def test_axe_finds_nothing(self):
        for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light")):
            self.check_with_axe(self.open(width, scheme), f"{width} {scheme}")

    def test_the_keyboard_is_enough(self):
        page = self.open()
        page.keyboard.press("Tab")
        self.assertEqual(page.evaluate("document.activeElement.className"), "skip")
        page.keyboard.press("Enter")
        self.assertTrue(page.url.endswith("#scores"))
        reached = set()
        for _ in range(200):
            page.keyboard.press("Tab")
            name = page.evaluate("document.activeElement.dataset.choice || document.activeElement.tagName")
            reached.add(name)
            if name == "mask":
                break
        self.assertIn("mask", reached)
        shown = "document.querySelector('figure[data-chart=circuit] svg').outerHTML"
        before = page.evaluate(shown)
        page.keyboard.press("ArrowDown")
        self.assertNotEqual(page.evaluate(shown), before, "another mask, another figure")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        self.assertNotEqual(outline, "none", "where the focus is can be seen")

    def test_figures_are_saved_as_they_are_drawn(self):
        page = self.open()
        figure = page.locator("figure[data-chart=pareto]").first
        with page.expect_download() as download:
            figure.get_by_role("button", name="as CSV").click()
        with open(download.value.path(), encoding="utf-8", newline="") as file:
            saved = list(csv.DictReader(file))
        with open(os.path.join(self.results, "summary.csv"), encoding="utf-8", newline="") as file:
            summary = list(csv.DictReader(file))
        task = figure.get_attribute("data-task")
        wanted = sorted(float(row["mean"]) for row in summary if row["task"] == task)
        self.assertEqual(sorted(float(row["mean"]) for row in saved), wanted)
        with page.expect_download() as download:
            figure.get_by_role("button", name="as SVG").click()
        drawn = xml.etree.ElementTree.parse(download.value.path()).getroot()
        self.assertEqual(drawn.tag, "{http://www.w3.org/2000/svg}svg")
        self.assertGreater(len(list(drawn.iter("{http://www.w3.org/2000/svg}path"))), 5)

    def test_all_scores_as_csv(self):
        page = self.open()
        with page.expect_download() as download:
            page.get_by_role("button", name="Scores as CSV").click()
        with open(download.value.path(), encoding="utf-8", newline="") as file:
            saved = list(csv.DictReader(io.StringIO(file.read())))
        shown = page.locator("#scores data").evaluate_all("all => all.map(d => Number(d.value))")
        self.assertEqual(sorted(float(row["mean"]) for row in saved), sorted(shown))


if __name__ == "__main__":
    unittest.main()
