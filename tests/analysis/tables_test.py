"""Result files: columns with units, their Markdown and their pictures."""

import unittest

import h5py
import numpy as np
from made_runs import make_table
from support import AnalysisTest

from longspan_analysis import UserError, load_table, load_tables, markdown

COLUMNS = {"method": ["ring", "ring", "all-to-all", "a|b"], "ranks": np.array([1, 2, 1, 2]),
           "seconds": np.array([1.23456789, 0.5, 1e-7, np.nan])}  # fmt: skip
UNITS = {"seconds": "s"}


class Tables(AnalysisTest):
    def made(self, **words):
        return make_table(self.folder / "results.h5", COLUMNS, UNITS, **words)

    def test_columns_types_units_and_provenance(self):
        table = load_table(self.made(host="node9"))
        self.assertEqual(table.frame["method"].tolist(), COLUMNS["method"])
        np.testing.assert_array_equal(table.frame["seconds"], COLUMNS["seconds"])
        self.assertEqual(table.frame["ranks"].dtype, np.int64)
        self.assertEqual((table.units["seconds"], table.units["ranks"]), ("s", "1"))
        self.assertEqual(table.provenance["host"], "node9")
        self.assertEqual(len(load_table(self.made(group="other"), "other").frame), 4)

    def test_rows_of_several_files_stand_together(self):
        one = make_table(self.folder / "1.h5", {"ranks": np.array([1]), "seconds": np.array([8.0])}, UNITS)
        two = make_table(self.folder / "2.h5", {"ranks": np.array([2]), "seconds": np.array([4.5])}, UNITS)
        both = load_tables([one, two])
        self.assertEqual(both.frame.to_dict("list"), {"ranks": [1, 2], "seconds": [8.0, 4.5]})
        self.assertEqual(both.units["seconds"], "s")
        with self.assertRaisesRegex(UserError, "results.h5 has other columns than .*1.h5"):
            load_tables([one, self.made()])

    def test_markdown(self):
        self.assertEqual(markdown(load_table(self.made()), ["method", "seconds"]),
                         "| method     | seconds (s) |\n"
                         "|------------|------------:|\n"
                         "| ring       |       1.235 |\n"
                         "| ring       |         0.5 |\n"
                         "| all-to-all |       1e-07 |\n"
                         "| a\\|b       |         nan |\n")  # fmt: skip

    def test_what_is_no_table_gets_a_sentence(self):
        with self.assertRaisesRegex(UserError, "does not exist"):
            load_table(self.folder / "nothing.h5")
        with self.assertRaisesRegex(UserError, "has no group /results"):
            load_table(self.made(group="other"))
        with h5py.File(self.folder / "uneven.h5", "w") as file:
            file["results/a"], file["results/b"] = [1, 2], [1]
        with self.assertRaisesRegex(UserError, "/results/b of .* has 1 rows, other columns 2"):
            load_table(self.folder / "uneven.h5")
        with h5py.File(self.folder / "square.h5", "w") as file:
            file["results/a"] = np.zeros((2, 2))
        with self.assertRaisesRegex(UserError, "has 2 dimensions"):
            load_table(self.folder / "square.h5")
        with self.assertRaisesRegex(UserError, "no column speed; it has method, ranks, seconds"):
            markdown(load_table(self.made()), ["speed"])

    def test_the_program_prints_and_draws(self):
        file = self.made()
        self.assertTrue(self.program("plot", file, "--markdown").startswith("| method     | ranks | seconds (s) |\n"))
        self.program("plot", file, "--x", "ranks", "--y", "seconds", "--by", "method", "--log", "xy", "-o", "lines.svg")
        lines = (self.folder / "lines.svg").read_text()
        for text in ["seconds (s)", "ranks", "all-to-all"]:
            self.assertIn(f">{text}</text>", lines)
        self.program("plot", file, "--x", "method", "--y", "seconds", "-o", "bars.png")
        self.assertEqual((self.folder / "bars.png").read_bytes()[:4], b"\x89PNG")

    def test_the_program_refuses(self):
        file = self.made()
        self.refused("plot", file, "--x", "speed", "--y", "seconds", saying="no column speed")
        self.refused("plot", file, "--x", "ranks", "--y", "method", saying="method of")
        self.refused("plot", file, "--x", "ranks", "--y", "seconds", "-o", "a.txt", saying="is no picture")
        self.refused("plot", file, "--x", "ranks", "--y", "seconds", "-o", "no/a.svg", saying="cannot write no/a.svg")
        self.assertIn("name --x and --y, or --markdown", self.program("plot", file, expected=2))


if __name__ == "__main__":
    unittest.main(argv=[__file__, "--durations", "3"])
