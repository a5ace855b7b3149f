"""The report: one page that needs nothing else, says what the runs came to, and holds for runs of any kind."""

import unittest
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pandas as pd
from made_runs import append, create, make_run, train_rows, validation_rows
from support import AnalysisTest

VOID = {"meta", "br", "link", "img", "input"}


class Page(HTMLParser):
    """Text, alternative texts, ids and references of a page; fails where elements are not nested."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.alts, self.words, self.charts = [], [], [], [], [], 0
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.references.append(value)
            if name == "aria-label":
                self.alts.append(value)
        self.charts += ("role", "img") in attributes

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data.strip())

    @property
    def text(self):
        return " ".join(word for word in self.words if word)


class Report(AnalysisTest):
    def page(self, *runs):
        self.program("report", *runs, "-o", "page.html")
        text = (self.folder / "page.html").read_text(encoding="utf-8")
        page = Page(text)
        self.assertEqual(len(page.ids), len(set(page.ids)), "an id is used twice")
        self.assertTrue(all(reference.startswith("#") for reference in page.references), page.references)
        self.assertTrue(all(reference[1:] in page.ids for reference in page.references))
        self.assertNotIn("@import", text)
        self.assertNotIn("url(http", text)
        self.assertEqual(len(page.alts), page.charts, "a chart without words")
        return page

    def test_one_run(self):
        train = train_rows(400)
        train["loss"][-1], train["peak_bytes"][:] = 1.23456, 3 * 2**29
        train["tokens_per_second"][:] = 40960
        run = make_run(self.folder / "my-run", train, validation_rows([100, 200, 300, 400]))
        (run / "log.txt").write_text("data              12 calls      4.00 MiB       1.5 s in messages or waiting\n")
        page = self.page(run)
        for words in ["my-run", "finished", "1.2346 nat/token", "at step 400", "41.0 k tokens/s", "1.50 GiB", "100 ms a step",
                      "0.1.0", "0123abc", "node7", "2026-11-24T20:00:00Z", "2x2x1x2", "learning_rate", "float32",
                      "Gradient norm", "Learning rate", "Throughput", "Step time", "Peak memory of the fullest rank",
                      "40.00 MiB", "74.1%", "1.5 s", "2.3157"]:  # fmt: skip
            self.assertIn(words, page.text)
        self.assertEqual(page.charts, 9)
        self.assertRegex(page.alts[0], "^Loss, training. my-run: from 5.4.* to 1.2346 nat/token, .*Validation. my-run")
        self.assertNotIn("pipeline 0", page.text)

    def test_several_runs(self):
        runs = [make_run(self.folder / name, train_rows(50 + i, seed=i), validation_rows([25, 50]), rate=rate, planned=60)
                for i, (name, rate) in enumerate([("a", 0.001), ("b", 0.002), ("c", 0.002)])]  # fmt: skip
        page = self.page(*runs)
        self.assertIn("3 runs compared", page.text)
        self.assertIn("Run optimizer.learning_rate a 0.001 b 0.002 c 0.002", page.text)
        self.assertIn("a stopped early 50 of 60", page.text)
        self.assertNotIn("run.name", page.text)
        self.assertIn("Configuration that all share", page.text)
        self.assertIn("a: from", page.alts[0])
        self.assertIn("c: from", page.alts[0])

    def test_twenty_runs_have_looks_of_their_own(self):
        from longspan_analysis.figures import look

        self.assertEqual(len({look(i) for i in range(20)}), 20)
        self.assertEqual(self.page(*[make_run(self.folder / f"run-{i}") for i in range(20)]).charts, 9)

    def test_other_columns_and_families_are_drawn_too(self):
        train = train_rows(20)
        train["auxiliary_loss"] = np.linspace(1, 0, 20)
        for member, size in [("parameters", 1 << 20), ("activations", 3 << 20)]:
            train[f"memory_bytes/{member}"] = np.full(20, size)
        page = self.page(make_run(self.folder / "run", train))
        for words in ["Auxiliary loss", "Memory by category", "activations", "3.00 MiB", "75.0%"]:
            self.assertIn(words, page.text)

    def test_runs_of_any_kind(self):
        diverged = train_rows(40)
        diverged["loss"][29:] = np.nan
        diverged["grad_norm"][29] = np.inf
        nothing = train_rows(3)
        nothing["loss"][:] = np.nan
        cases = {
            "one step": (train_rows(1), None, "1 of 1"),
            "no step": (train_rows(0), None, "no finite values"),
            "no validation": (train_rows(50), None, "No validation so far."),
            "nan validation": (train_rows(4), {"step": np.array([4])} | dict.fromkeys(
                ["loss", "accuracy", "bits_per_byte"], np.array([np.nan])), "no validation"),
            "diverged": (diverged, None, "11 of 40 values are not finite, the first at step 30."),
            "nothing finite": (nothing, None, "no finite values"),
            "resumed elsewhere": (train_rows(10, first=31), validation_rows([30, 40]), "its first row is step 31"),
            "long": (train_rows(5000), validation_rows(range(10, 5001, 10)), "24 of 500 steps"),
            "<b>&amp; \"name\"": (train_rows(5), None, "<b>&amp; \"name\""),
        }  # fmt: skip
        for name, (train, validation, words) in cases.items():
            with self.subTest(name):
                self.assertIn(words, self.page(make_run(self.folder / name, train, validation)).text)
        self.assertIn(f"{len(cases)} runs compared", self.page(*[self.folder / name for name in cases]).text)

    def test_a_task_has_accuracy_and_no_bits_per_byte(self):
        validation = validation_rows([10, 20])
        validation["bits_per_byte"][:] = np.nan
        page = self.page(make_run(self.folder / "run", train_rows(20), validation))
        self.assertIn("Accuracy", page.text)
        self.assertNotIn("Bits per byte", page.text)

    def test_a_run_still_writing(self):
        with create(self.folder / "run", planned=90) as file:
            append(file, "train", train_rows(30))
            self.assertIn("30 of 90 running", self.page(self.folder / "run").text)

    def test_rare_slow_steps_do_not_flatten_the_rest(self):
        train = train_rows(200)
        train["tokens_per_second"][0] /= 50  # the first step warms up
        self.assertIn("1 value lies above the chart, the largest at", self.page(make_run(self.folder / "run", train)).text)

    def test_charts_are_well_formed(self):
        from longspan_analysis.figures import Line, line_chart

        svg, above = line_chart([Line(np.arange(9), np.arange(9), "#0072b2")], "step", "loss & <more>")
        self.assertEqual(ElementTree.fromstring(svg).tag, "{http://www.w3.org/2000/svg}svg")
        self.assertEqual(above, 0)

    def test_csv(self):
        train, validation = train_rows(5), validation_rows([5])
        run = make_run(self.folder / "run", train, validation)
        self.program("report", run, "--csv", "tables")
        self.assertTrue((run / "report.html").exists())
        rows = pd.read_csv(self.folder / "tables/run.train.csv", float_precision="round_trip")
        np.testing.assert_array_equal(rows["loss [nat/token]"], train["loss"])
        self.assertEqual(rows["step"].tolist(), [1, 2, 3, 4, 5])
        self.assertEqual(rows["comm_bytes/data [byte]"][0], 3 * 2**20)
        checked = pd.read_csv(self.folder / "tables/run.validation.csv", float_precision="round_trip")
        np.testing.assert_array_equal(checked["loss [nat/token]"], validation["loss"])
        facts = pd.read_csv(self.folder / "tables/summary.csv", float_precision="round_trip").iloc[0]
        self.assertEqual((facts["run"], facts["state"], facts["steps"]), ("run", "finished", 5))
        self.assertEqual(facts["best_validation_loss [nat/token]"], validation["loss"][0])
        self.assertEqual(facts["peak_bytes [byte]"], 300 * 2**20)

    def test_wrong_input_gets_a_sentence(self):
        self.refused("report", "nowhere", saying="nowhere does not exist")
        (self.folder / "empty").mkdir()
        self.refused("report", "empty", saying="empty has no metrics.h5")
        (self.folder / "empty/metrics.h5").write_bytes(b"\x89HDF\r\n\x1a\n and nothing more")
        self.refused("report", "empty", saying="cut short or damaged")
        run = make_run(self.folder / "run")
        self.refused("report", run, "empty", saying="cut short or damaged")
        self.refused("report", run, run, saying="named twice")
        self.refused("report", run, "-o", "no/page.html", saying="cannot write no/page.html")
        self.refused("report", run, "--csv", "run/metrics.h5", saying="cannot write run/metrics.h5")
        self.program("report", expected=2)


if __name__ == "__main__":
    unittest.main(argv=[__file__, "--durations", "3"])
