"""The package under test, its programs as a user starts them, and scratch folders."""

import contextlib
import importlib
import io
import os
import shutil
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
sys.path.insert(0, str(ANALYSIS))


def command(program, *words):
    return [sys.executable, str(ANALYSIS / f"longspan-{program}"), *map(str, words)]


def environment(**more):
    return os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"} | more


class AnalysisTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="longspan-analysis-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def program(self, name, *words, expected=0):
        """What longspan-NAME prints, run in this process; fails on another exit code than the expected one."""
        cli = importlib.import_module(f"longspan_analysis.{name}").cli
        out, error, before = io.StringIO(), io.StringIO(), Path.cwd()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error), \
                    unittest.mock.patch.object(sys, "argv", [f"longspan-{name}", *map(str, words)]):  # fmt: skip
                code = cli()
        except SystemExit as end:  # argparse's
            code = end.code
        finally:
            os.chdir(before)
        self.assertEqual(code, expected, f"{name} {words}\n{out.getvalue()}\n{error.getvalue()}")
        return out.getvalue() if expected == 0 else error.getvalue()

    def refused(self, name, *words, saying):
        """The program ends with code 2 and one sentence that holds `saying`."""
        error = self.program(name, *words, expected=2)
        self.assertRegex(error, r"\Aerror: [^\n]+\n\Z")
        self.assertIn(saying, error)
