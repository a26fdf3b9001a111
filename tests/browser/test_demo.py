"""The demonstration in a real browser: chosen, computed, told and asked by keyboard."""

import os
import shutil
import unittest

from pages import ROOT, SOON, WIDTHS, Served

#: Milliseconds for what nobody has computed before.
COMPUTED = 180_000
MODEL = os.path.join(ROOT, "assets", "quickstart", "model")
SCORES = "all => all.map(d => d.getAttribute('value'))"


class Demo(Served):
    """A server for all tests, which go on from each other in the order of their names."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.serve("--store", os.path.join(cls.folder, "store"))

    def open(self, width=1280, scheme="light"):
        return self.open_page(self.url, width, scheme)

    def compute(self, page, act):
        """Does something that has the page compute, and waits for what is found."""
        before = page.evaluate("document.body.dataset.done ?? ''")
        act()
        self.until(page, f"(document.body.dataset.done ?? '') !== '{before}'", COMPUTED)

    def settle(self, page):
        """Waits for the methods that nobody waits for."""
        self.until(page, "document.querySelectorAll('#scores tbody tr').length === 8", COMPUTED)
        self.until(page, "document.getElementById('beside').textContent === ''", COMPUTED)

    def test_1_a_full_pass_by_keyboard(self):
        page = self.open()
        page.keyboard.press("Tab")
        self.assertEqual(page.evaluate("document.activeElement.className"), "skip")
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "compute":
                break
        self.assertEqual(page.evaluate("document.activeElement.id"), "compute")
        self.compute(page, lambda: page.keyboard.press("Enter"))
        self.assertIn("done", page.inner_text("#job"))
        self.assertEqual(page.locator("#report figure[data-chart=matrix][data-drawn]").count(), 1)
        self.assertEqual(page.locator(".said .who").all_inner_texts()[2:], ["TCQAG-1", "TCQAG-2", "TCQAG-2", "TCQAG-1"])
        guides = page.inner_text("#guides")
        shown = page.locator("#scores data").evaluate_all("all => all.map(d => Number(d.getAttribute('value')))")
        for value in shown[:3]:
            self.assertIn(f"{100 * value:.1f} %", guides, "the guides say what the table says")

        # Another share by arrow key; only what comes after the scores of weights is computed anew.
        page.focus("input[name=ratio]")
        self.compute(page, lambda: page.keyboard.press("ArrowRight"))
        steps = page.locator("#steps li").all_inner_texts()
        anew = [step for step in steps if "computed in" in step]
        self.assertEqual(len(anew), 3, steps)
        self.assertIn("0.5 %", page.inner_text("#ratio-shown"))

        page.focus("#examples button")
        page.keyboard.press("Enter")
        self.assertEqual(page.evaluate("document.activeElement.id"), "text")
        self.assertTrue(page.input_value("#text"))
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        self.until(page, "document.body.dataset.answered === 'yes'", COMPUTED)
        self.assertGreaterEqual(page.locator("#answers-here li").count(), 3)
        self.assert_quiet()

    def test_2_numbers_are_those_of_the_tables(self):
        page = self.open()
        self.compute(page, lambda: page.click("#compute"))
        self.settle(page)
        shown = page.locator("#scores data").evaluate_all("all => all.map(d => Number(d.getAttribute('value')))")
        tables = page.evaluate("JSON.parse(document.getElementById('tables').textContent)")
        texts = {table["name"]: table["csv"].splitlines() for table in tables}
        column = texts["scores"][0].split(",").index("mean")
        self.assertEqual(sorted(shown), sorted(float(line.split(",")[column]) for line in texts["scores"][1:]))
        # abs(W) . abs(gradient) . abs(change) is the saliency, weight by weight.
        names = texts["kept"][0].split(",")
        for line in texts["kept"][1:50]:
            row = dict(zip(names, map(float, line.split(","))))
            product = abs(row["weight"]) * row["gradient"] * row["change"]
            self.assertAlmostEqual(product / row["score"], 1.0, 6)
        # Were weights and saliency not those of one place, some change would be larger than every weight of the matrix.
        values = {name: [float(line.split(",")[names.index(name)]) for line in texts["kept"][1:]] for name in names}
        most = max(map(abs, values["weight"]))
        self.assertTrue(all(0 < change < most for change in values["change"]), max(values["change"]))

    def test_3_methods_may_be_as_large_as_tacq(self):
        page = self.open()
        page.select_option("select[name=method]", "squeezellm")
        page.select_option("select[name=sizes]", "equal")
        self.compute(page, lambda: page.click("#compute"))
        tables = page.evaluate("JSON.parse(document.getElementById('tables').textContent)")
        csv = next(table["csv"] for table in tables if table["name"] == "scores").splitlines()
        names = csv[0].split(",")
        sizes = {}
        for line in csv[1:]:
            row = dict(zip(names, line.split(",")))
            sizes.setdefault(row["method"], []).append(float(row["avg_bits"] or 16))
        self.assertAlmostEqual(sizes["squeezellm"][0], sizes["tacq"][0], delta=0.002)
        self.assertEqual(len(sizes["gptq"]), 2, "as what TaCQ starts from, and with groups")
        self.assertIn("SqueezeLLM", page.locator("#guides .said").last.inner_text())

    def test_4_it_fits_every_width_and_axe_finds_nothing(self):
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                page = self.open(width, scheme)
                self.compute(page, lambda page=page: page.click("#compute"))
                self.look(page, f"demo-{width}-{scheme}", width)
                if width != 1920:
                    self.check_with_axe(page, f"{width} {scheme}")
        self.assert_quiet()

    def test_5_another_model_has_other_values(self):
        page = self.open()
        self.compute(page, lambda: page.click("#compute"))
        self.settle(page)
        before = self.values(page)
        folder = os.path.join(self.folder, "model")
        shutil.copytree(MODEL, folder)
        disturb(os.path.join(folder, "model.safetensors"))
        self.serve("--store", os.path.join(self.folder, "other"), "--demo-model", folder)
        page = self.open()
        self.compute(page, lambda: page.click("#compute"))
        self.settle(page)
        after = self.values(page)
        for name, value in before.items():
            self.assertNotEqual(value, after[name], name)
        for name in ("kept", "saliency", "weights", "errors"):
            same = set(before[name]) & set(after[name])
            # Bins with a weight or two may have as many again.
            self.assertLess(len(same), len(before[name]) / 3, f"{name} changes line by line")

    def values(self, page):
        """The lines of all tables but that of sizes, which are the same for all models of one shape."""
        tables = page.evaluate("JSON.parse(document.getElementById('tables').textContent)")
        lines = {table["name"]: table["csv"].splitlines()[1:] for table in tables}
        # A mask has all in common with itself.
        del lines["sizes"], lines["overlaps"]
        return lines


def disturb(path):
    """Changes every weight of a file in bf16 by up to a sixteenth."""
    with open(path, "r+b") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        file.seek(start)
        data = file.read()
        # The low bits of a mantissa: of the lower byte of each pair, bits 0 to 2, from a fixed pseudo-random sequence.
        state, mask = 1, bytearray(len(data))
        for at in range(0, len(data), 2):
            state = (1103515245 * state + 12345) & 0x7FFFFFFF
            mask[at] = (state >> 16) & 7
        changed = int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")
        file.seek(start)
        file.write(changed.to_bytes(len(data), "little"))


if __name__ == "__main__":
    unittest.main()
