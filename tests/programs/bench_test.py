"""longspan-bench sequence: its table, its file, its proof of the traffic, and bad input."""

import h5py
import programs
from programs import ProgramTest

SMALL = "sequence --bench.lengths 64,96 --bench.heads 4 --bench.head_width 8 --bench.repeats 1"


class SequenceBench(ProgramTest):
    def test_prints_a_table_and_writes_it(self):
        file = self.folder / "table.h5"
        result = self.run_program("bench", f"{SMALL} --bench.ranks 1,2 --bench.output {file}", ranks=2)
        self.assertIn("tokenring", result.out)
        with h5py.File(file) as table:
            columns = {name: column[:] for name, column in table["results"].items()}
            self.assertEqual({len(column) for column in columns.values()}, {38})  # 9 methods x 2 groups x 2 lengths; window on one rank
            self.assertEqual(table["results/forward"].attrs["unit"], "s")
            self.assertEqual(set(columns["ranks"]), {1, 2})
            self.assertTrue((columns["forward"] > 0).all())
            # A ring of two sends one block: K and V of half the tokens, 4 heads of 8 in float32.
            ring = [bytes_ for method, ranks, length, bytes_ in zip(
                table["results/method"].asstr()[:], columns["ranks"], columns["length"], columns["forward_bytes"])
                if method == "ring" and ranks == 2 and length == 64]
            self.assertEqual(ring, [2 * 4 * 32 * 8 * 4])
            self.assertIn("[bench]", table.attrs["config"])

    def test_proves_the_traffic(self):
        result = self.run_program("bench", f"{SMALL} --bench.window 20 --explain", ranks=4)
        lines = result.out.strip().splitlines()
        self.assertEqual(len(lines), 20)
        for line in lines:
            self.assertEqual(line.count("equal"), 2, line)

    def test_bad_input_gets_a_sentence(self):
        for words, part in [("--bench.methods rinf", "'rinf'"), ("--bench.ranks 4", "4 ranks"),
                            ("--bench.message_delay 1m", "bench.message_delay = '1m'"),
                            ("--bench.nosuch 1", "bench.nosuch")]:
            result = self.run_program("bench", f"sequence {words}", ranks=2, expected=2)
            self.assertEqual(len(result.errors), 1, result)
            self.assertIn(part, result.errors[0])

    def test_steps_are_still_the_default(self):
        for words in ["--help", "step --help"]:
            self.assertIn("training steps", self.run_program("bench", words).out)
        self.assertIn("bench.message_delay", self.run_program("bench", "sequence --help").out)


if __name__ == "__main__":
    programs.main()
