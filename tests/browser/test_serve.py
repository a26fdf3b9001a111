"""Sweeps in a real browser: a run started, watched, ended and resumed on its page."""

import os
import re
import unittest

from pages import EXPERIMENT, SOON, WIDTHS, Served

#: Milliseconds for all stages.
RUN = 300_000


class Serve(Served):
    """A server for all tests, which go through the life of a sweep in the order of their names."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.serve(EXPERIMENT, *cls.sets)

    def open(self, path="", width=1280, scheme="light"):
        page = self.open_page(self.url if not path else self.origin + path, width, scheme)
        if not path:
            self.until(page, "document.body.dataset.live === 'yes'")
        return page

    def test_1_a_run_is_started_ended_and_resumed_by_keyboard(self):
        page = self.open()
        self.assertEqual(page.inner_text("#start"), "Run")
        page.focus("#start")
        page.keyboard.press("Enter")
        page.wait_for_selector("#running a", timeout=SOON)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": WIDTHS[width]})
            self.look(page, f"serve-{width}-running", width)
        page.set_viewport_size({"width": 1280, "height": WIDTHS[1280]})
        self.check_with_axe(page, "running")
        self.until(page, "!document.getElementById('cancel').disabled")
        page.focus("#cancel")
        page.keyboard.press("Enter")
        self.until(page, "/interrupted/.test(document.getElementById('rest').textContent)")
        self.assertEqual(page.inner_text("#start"), "Resume")
        self.until(page, "!document.getElementById('start').disabled")
        page.focus("#start")
        page.keyboard.press("Enter")
        # Results appear as they come, and what was chosen of the report stays chosen.
        page.wait_for_selector("#report figure[data-drawn]", timeout=RUN)
        self.assertNotIn("60 of 60", page.inner_text("#far"))
        page.wait_for_selector("#report select[data-choice=mask]", timeout=RUN)
        page.select_option("#report select[data-choice=mask]", index=1)
        chosen = page.input_value("#report select[data-choice=mask]")
        version = page.get_attribute("#report", "data-version")
        self.until(page, f"document.getElementById('report').dataset.version > {version}", RUN)
        self.until(page, "document.querySelector('#report select[data-choice=mask]')")
        self.assertEqual(page.input_value("#report select[data-choice=mask]"), chosen)
        self.until(page, "/^60 of 60 stages, 13 of 13/.test(document.getElementById('far').textContent)", RUN)
        self.assert_quiet()

    def test_2_what_is_served_is_the_report_of_the_file(self):
        self.run_program("report", "--format", "html")
        with open(os.path.join(self.results, "report.html"), encoding="utf-8") as file:
            report = file.read()
        page = self.open()
        self.until(page, "document.querySelectorAll('#scores data').length === 26")
        served = page.locator("#scores data").evaluate_all("all => all.map(d => d.getAttribute('value'))")
        self.assertEqual(served, re.findall(r'<data value="([^"]*)">', report))
        drawn = page.locator("figure[data-drawn]").count()
        self.assertEqual(drawn, page.locator("figure[data-chart]").count())
        self.assert_quiet()

    def test_3_it_fits_every_width_and_axe_finds_nothing(self):
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                page = self.open(width=width, scheme=scheme)
                self.look(page, f"serve-{width}-{scheme}", width)
        for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light")):
            self.check_with_axe(self.open(width=width, scheme=scheme), f"{width} {scheme}")

    def test_4_stages_are_reached_by_keyboard_and_explained(self):
        page = self.open()
        page.focus("#lanes .mark")
        first = page.evaluate("document.activeElement.getAttribute('aria-label')")
        page.keyboard.press("ArrowRight")
        self.assertNotEqual(page.evaluate("document.activeElement.getAttribute('aria-label')"), first)
        page.keyboard.press("ArrowDown")
        told = page.inner_text("#told")
        self.assertTrue(told and told == page.evaluate("document.activeElement.getAttribute('aria-label')"))
        self.assertGreater(page.locator("#lanes .near").count(), 1, "what it reads and what reads it is marked")
        page.keyboard.press("Enter")
        page.wait_for_url("**/stage/*")
        self.assertIn(page.inner_text("h1"), told)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": WIDTHS[width]})
            self.look(page, f"stage-{width}", width)
        self.check_with_axe(page, "stage")
        self.assert_quiet()

    def test_5_without_the_token_nothing_can_be_started(self):
        page = self.open("/")
        self.until(page, "document.body.dataset.live === 'yes'")
        self.assertEqual(page.locator("button#start").count(), 0)
        self.assert_quiet()


if __name__ == "__main__":
    unittest.main()
