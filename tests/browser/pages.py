"""What the tests of pages share: a small experiment on libtorch, a headless Chromium, what is looked at."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
PROGRAM = os.path.join(TARGET, os.environ.get("TACQ_PROFILE", "debug"), "tacq-sweep")
EXPERIMENT = os.path.join(ROOT, "tests", "browser", "experiment.yaml")
SHOTS = os.path.join(TARGET, "browser")
#: A phone, a laptop, a large screen.
WIDTHS = {390: 844, 1280: 800, 1920: 1080}
#: Milliseconds for something to appear that was told to a server.
SOON = 20_000
AXE = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


class Pages(unittest.TestCase):
    """A folder and a browser for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.results = os.path.join(cls.folder, "results")
        cls.sets = ["--store", os.path.join(cls.folder, "store"), "--set", f"report.dir={cls.results}"]
        cls.playwright = sync_playwright().start()
        cls.addClassCleanup(cls.playwright.stop)
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        # Without its sandbox, which root may not have; the page is our own.
        cls.browser = cls.playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        cls.addClassCleanup(cls.browser.close)
        os.makedirs(SHOTS, exist_ok=True)

    @classmethod
    def run_program(cls, *command):
        """Runs `tacq-sweep` on the experiment to a good end."""
        argv = [PROGRAM, *command, EXPERIMENT, *cls.sets]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}")

    def open_page(self, url, width=1280, scheme="light"):
        """A page, with all that it asks for and says."""
        context = self.browser.new_context(
            viewport={"width": width, "height": WIDTHS[width]}, color_scheme=scheme, accept_downloads=True
        )
        self.addCleanup(context.close)
        page = context.new_page()
        self.requests, self.said = [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.goto(url)
        return page

    def look(self, page, name, width):
        """Keeps a picture, and sees that nothing is wider than the window."""
        page.screenshot(path=os.path.join(SHOTS, f"{name}.png"), full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        self.assertLessEqual(wide, width, f"{name} is not scrolled sideways")

    def check_with_axe(self, page, name):
        """Contrast, names, roles."""
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        found = Axe().run(page, options=AXE)
        self.assertEqual(found.violations_count, 0, f"{name}: {found.generate_report()}")


class Served(Pages):
    """A server for all tests of a class."""

    @classmethod
    def serve(cls, *arguments):
        """Starts `tacq-sweep serve`; its address, and where its pages may ask."""
        argv = [PROGRAM, "serve", *arguments, "--port", "0"]
        server = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.addClassCleanup(server.stdout.close)
        cls.addClassCleanup(server.wait)
        cls.addClassCleanup(server.terminate)
        cls.url = server.stdout.readline().strip()
        cls.origin = "http://" + urlsplit(cls.url).netloc

    def until(self, page, expression, timeout=SOON):
        """Waits for something to be so. Not by Playwright, which would have the page compile it, as its policy forbids."""
        until = time.monotonic() + timeout / 1000
        while not page.evaluate(expression):
            self.assertLess(time.monotonic(), until, f"waited in vain for {expression}")
            time.sleep(0.01)

    def assert_quiet(self):
        """No console message, and no request to anybody else."""
        self.assertEqual(self.said, [])
        others = [url for url in self.requests if not url.startswith((self.origin, "data:", "blob:"))]
        self.assertEqual(others, [])
