"""longspan-bench: tables, files, proofs and bad input of its commands."""

import json
import struct
import subprocess
from pathlib import Path

import h5py
import numpy as np
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


class LengthBench(ProgramTest):
    SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/length.py"

    def measure(self, words):
        return subprocess.run([self.SCRIPT, programs.APPS, *words.split()], capture_output=True, text=True, check=False)

    def test_prints_a_row_for_each_length_and_the_slope(self):
        said = self.measure("--lengths 96,3000 --rounds 1 --bench.steps 1 --parallel.sequence 1")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertRegex(said.stdout, r"^\| T .*\n.*\n\| 96 \| .*\n\| 3000 \| .*\n\nslope [0-9.]+\n$")

    def test_what_the_program_refuses_it_says(self):
        said = self.measure("--lengths 96 --model.mixers nosuch --parallel.sequence 1")
        self.assertEqual(said.returncode, 1)
        self.assertIn("'nosuch'", said.stderr)
        self.assertIn("data.sequence_length = 96", said.stderr)


class KernelBench(ProgramTest):
    SMALL = "kernel --bench.length 128 --bench.heads 2 --bench.width 16 --bench.vocabulary 300 --bench.repeats 1"

    def test_every_kernel_has_a_row(self):
        self.run_program("bench", f"{self.SMALL} --bench.output {self.folder}/table.h5")
        with h5py.File(self.folder / "table.h5") as table:
            columns = {name: column[:] for name, column in table["results"].items()}
        kernels = [name.decode() for name in columns["kernel"]]
        self.assertEqual(len(kernels), 14)
        self.assertTrue((columns["forward"] > 0).all())
        for kernel, backward in zip(kernels, columns["backward"]):
            self.assertEqual(backward > 0, kernel != "adamw", kernel)
        attention = kernels.index("attention")  # 2 heads, 128 x 129 / 2 pairs of 16 columns
        self.assertEqual(columns["forward_flops"][attention], 4 * 2 * 128 * 129 / 2 * 16)

    def test_tensors_are_what_the_kernel_read_and_made(self):
        file = self.folder / "tensors.safetensors"
        self.run_program("bench", f"{self.SMALL} --bench.kernels rms_norm --bench.tensors {file}")
        tensors = read_safetensors(file)
        self.assertEqual(set(tensors), {"x", "weight", "result", "dresult", "dx", "dweight"})
        x = tensors["x"].astype(np.float64)
        normal = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(tensors["result"], normal * tensors["weight"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(tensors["dweight"], (tensors["dresult"] * normal).sum((0, 1)), rtol=1e-4, atol=1e-5)

    def test_tensors_of_a_first_step(self):
        file = self.folder / "step.safetensors"
        words = ("step --model.layers 1 --model.width 16 --model.heads 2 --data.task noise --task.vocabulary 50 "
                 "--data.sequence_length 32 --data.batch 2 --bench.steps 1 --bench.warmup 0")
        self.run_program("bench", f"{words} --bench.tensors {file}")
        tensors = read_safetensors(file)
        self.assertEqual(tensors["tokens"].shape, (2, 32))
        np.testing.assert_array_equal(tensors["targets"][:, :-1], tensors["tokens"][:, 1:])
        # Near the start every word is about as probable.
        self.assertAlmostEqual(tensors["loss"][0], np.log(50), delta=0.1)
        names = {name for name in tensors if "d" + name in tensors}
        self.assertIn("blocks.0.attention.query.weight", names)
        self.assertEqual(len(tensors), 2 * len(names) + 3)

    def test_bad_input_gets_a_sentence(self):
        for words, part, ranks in [("--bench.kernels gelu,norm", "'norm'", 1), ("--bench.heads 0", "bench.heads = 0", 1),
                                   (f"--bench.tensors {self.folder}/t", "bench.kernels", 1), ("", "2 ranks", 2)]:
            result = self.run_program("bench", f"{self.SMALL} {words}", ranks=ranks, expected=2)
            self.assertEqual(len(result.errors), 1, result)
            self.assertIn(part, result.errors[0])


def read_safetensors(path):
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    types = {"F64": np.float64, "F32": np.float32, "I32": np.int32}
    return {name: np.frombuffer(content[8 + length:][slice(*entry["data_offsets"])], types[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in json.loads(content[8:8 + length]).items() if name != "__metadata__"}


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
