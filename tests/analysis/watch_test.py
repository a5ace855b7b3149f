"""Watching: from a run that is not there yet to its end, on a terminal and elsewhere, with Ctrl-C."""

import os
import pty
import signal
import subprocess
import sys
import time
import unittest

import numpy as np
from made_runs import append, create, make_run, train_rows, validation_rows
from support import ANALYSIS, AnalysisTest

from longspan_analysis import load_run
from longspan_analysis.watch import block, plain, seconds_left, sparkline

LIMIT = 120  # seconds a program may take, on a busy machine


class Watch(AnalysisTest):
    def start(self, *words, **streams):
        process = subprocess.Popen([sys.executable, str(ANALYSIS / "longspan-watch"), *words], cwd=self.folder,
                                   env=os.environ | {"PYTHONIOENCODING": "utf-8"}, **streams)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_a_live_run_is_followed_to_its_end(self):
        output = self.folder / "output.txt"
        with output.open("w") as out:
            watching = self.start("run", "--period", "0.05", stdout=out, stderr=subprocess.STDOUT)

        def wait_for(words):
            end = time.monotonic() + LIMIT
            while words not in output.read_text():
                self.assertIsNone(watching.poll(), output.read_text())
                self.assertLess(time.monotonic(), end, f"{words!r} never came:\n{output.read_text()}")
                time.sleep(0.02)

        wait_for("waiting for run/metrics.h5")
        rows = train_rows(4)
        with create(self.folder / "run", planned=4, train=rows) as file:
            wait_for("run  running  step 0/4")
            append(file, "train", {name: values[:3] for name, values in rows.items()})
            wait_for(f"step 3/4  loss {rows['loss'][2]:.4f}")
            wait_for("left 510 ms")
            append(file, "train", {name: values[3:] for name, values in rows.items()})
            append(file, "validation", validation_rows([4]))
        self.assertEqual(watching.wait(LIMIT), 0)
        self.assertRegex(output.read_text().splitlines()[-1], r"^run  finished  step 4/4  loss .*validation .* at step 4")

    def test_ctrl_c_leaves_no_trace_of_python(self):
        watching = self.start("run", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(watching.stdout.readline(), "waiting for run/metrics.h5\n")
        watching.send_signal(signal.SIGINT)
        out, error = watching.communicate(timeout=LIMIT)
        self.assertEqual((watching.returncode, out, error), (130, "", ""))

    def test_a_terminal_gets_lines_that_are_rewritten(self):
        make_run(self.folder / "run", train_rows(50), planned=100)
        main, other = pty.openpty()
        watching = self.start("run", stdout=other)
        self.assertEqual(watching.wait(LIMIT), 0)
        os.close(other)
        shown = os.read(main, 10000).decode()
        os.close(main)
        for words in ["\033[J", "stopped after 50 of 100 steps", "loss", "█" * 20 + "▁" * 20]:
            self.assertIn(words, shown)

    def test_once(self):
        make_run(self.folder / "run", train_rows(50))
        self.assertRegex(self.program("watch", "run", "--once"), r"\Arun  finished  step 50/50  loss [^\n]+\n\Z")
        self.refused("watch", "nowhere", "--once", saying="nowhere does not exist")
        self.assertIn("no positive number", self.program("watch", "run", "--period", "0", expected=2))

    def test_a_file_that_is_no_run_ends_it(self):
        (self.folder / "metrics.h5").write_text("text")
        self.refused("watch", ".", saying="is no metrics file")

    def test_the_time_left_is_that_of_the_last_steps(self):
        rows = train_rows(200)
        rows["seconds"] = np.concatenate([np.arange(100) * 9.0, 900 + np.arange(100) * 2.0])  # faster since step 100
        with create(self.folder / "run", planned=300, train=rows) as file:
            append(file, "train", rows)
            self.assertEqual(seconds_left(load_run(self.folder / "run")), 200.0)
        self.assertIsNone(seconds_left(load_run(self.folder / "run")))

    def test_sparklines(self):
        self.assertEqual(sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8), "▁▂▃▄▅▆▇█")
        self.assertEqual(sparkline(range(80), 4), "▁▃▆█")
        self.assertEqual(sparkline([3, 3], 8), "▁▁")
        self.assertEqual(sparkline([4, 8], 8, low=0), "▅█")
        self.assertEqual(sparkline([1, np.nan, 2], 8), "▁ █")
        self.assertEqual(sparkline([np.nan, np.inf], 8), "  ")
        self.assertEqual(sparkline([], 8), "")

    def test_narrow_terminals_and_plain_letters(self):
        run = load_run(make_run(self.folder / "run", train_rows(50)))
        self.assertTrue(all(len(line) < 30 for line in block(run, "_=#", 30)))
        self.assertTrue(plain(run, "_=#").isascii())


if __name__ == "__main__":
    unittest.main(argv=[__file__, "--durations", "3"])
