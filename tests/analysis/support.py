"""The package under test, its programs as a user starts them, and scratch folders."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
sys.path.insert(0, str(ANALYSIS))
LIMIT = 120  # seconds a program may take


def command(program, *words):
    return [sys.executable, str(ANALYSIS / f"longspan-{program}"), *map(str, words)]


def environment(**more):
    return os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"} | more


class AnalysisTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="longspan-analysis-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def program(self, name, *words, expected=0):
        """What a program prints; fails on another exit code than the expected one."""
        done = subprocess.run(command(name, *words), capture_output=True, text=True, cwd=self.folder, timeout=LIMIT,
                              env=environment())
        self.assertEqual(done.returncode, expected, f"{name} {words}\n{done.stdout}\n{done.stderr}")
        return done.stdout if expected == 0 else done.stderr

    def refused(self, name, *words, saying):
        """The program ends with code 2 and one sentence that holds `saying`."""
        error = self.program(name, *words, expected=2)
        self.assertRegex(error, r"\Aerror: [^\n]+\n\Z")
        self.assertIn(saying, error)
