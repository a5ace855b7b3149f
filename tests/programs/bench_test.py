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

    def test_the_environment_is_found_and_measured(self):
        file = self.folder / "environment.h5"
        words = f"environment --parallel.tensor 2 --run.directory {self.folder}/none --bench.file 1M --bench.output {file}"
        result = self.run_program("bench", words, ranks=4)
        with h5py.File(file) as table:
            kinds, names, texts = (table[f"results/{name}"].asstr()[:].tolist() for name in ("kind", "what", "text"))
            values = dict(zip(names, table["results/value"][:]))
            units = dict(zip(names, table["results/unit"].asstr()[:]))
            self.assertIn("[bench]", table.attrs["config"])
        self.assertEqual(set(kinds), {"found", "measured", "beware"} if "beware" in kinds else {"found", "measured"})
        for name, unit in [("products float64", "FLOP/s"), ("products float32", "FLOP/s"), ("products bfloat16", "FLOP/s"),
                           ("memory", "byte/s"), ("data latency", "s"), ("data bandwidth", "byte/s"),
                           ("tensor latency", "s"), ("tensor bandwidth", "byte/s"), ("file write", "byte/s"),
                           ("file read", "byte/s")]:
            self.assertGreater(values[name], 0, name)
            self.assertEqual(units[name], unit)
        self.assertTrue(0 <= values["overlap"] <= 1)
        self.assertNotIn("sequence latency", names)  # an axis of one rank sends nothing
        self.assertIn("4 on 1 node, 4 with rank 0", texts)
        for text in texts:
            self.assertIn(text, result.out)
        self.assertFalse((self.folder / "none").exists())

    def test_steps_are_still_the_default(self):
        for words in ["--help", "step --help"]:
            self.assertIn("training steps", self.run_program("bench", words).out)
        self.assertIn("bench.message_delay", self.run_program("bench", "sequence --help").out)


class CheckpointBench(ProgramTest):
    SMALL = ("checkpoint --model.layers 2 --model.width 32 --model.heads 2 --bench.vocabulary 100 --bench.repeats 1 "
             "--data.sequence_length 16 --data.batch 2")

    def test_prints_a_table_and_leaves_only_its_results(self):
        words = f"{self.SMALL} --bench.folder {self.folder} --bench.output {self.folder}/table.h5 --parallel.tensor 2"
        self.assertIn("save in background", self.run_program("bench", words, ranks=2).out)
        self.assertEqual([file.name for file in self.folder.iterdir()], ["table.h5"])
        with h5py.File(self.folder / "table.h5") as table:
            # Values and both moments in float32: embedding, 2 layers with norms of two vectors, final norm.
            parameters = 100 * 32 + 2 * (4 * 32 * 32 + 2 * 32 * 128 + 4 * 32) + 2 * 32
            self.assertEqual(set(table["results/bytes"][:]), {3 * 4 * parameters})
            self.assertTrue((table["results/seconds"][:] > 0).all())

    def test_bad_input_gets_a_sentence(self):
        for words, part, code in [("--bench.repeats 0", "bench.repeats = 0", 2), ("--bench.folder none/here", "none/here", 3)]:
            result = self.run_program("bench", f"{self.SMALL} {words} --parallel.tensor 2", ranks=2, expected=code)
            self.assertEqual(len(result.errors), 1, result)
            self.assertIn(part, result.errors[0])


if __name__ == "__main__":
    programs.main()
