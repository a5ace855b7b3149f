"""jobs/submit without SLURM: the line that it writes, what it hands to sbatch, and what a user gets wrong."""

import os
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CPU = ROOT / "jobs/partitions/cpu.ini"  # 2 sockets, 128 cores
GPU = ROOT / "jobs/partitions/gpu.ini"  # 4 GPUs, 72 cores
QUICKSTART = ROOT / "configs/quickstart.cfg"  # 2 x 2 x 2 x 2


class Submit(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="longspan-submit-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def call(self, words: str, expected: int = 0, path: str = "") -> subprocess.CompletedProcess:
        result = subprocess.run([sys.executable, ROOT / "jobs/submit", *shlex.split(words)], capture_output=True, text=True,
                                env=os.environ | {"PATH": path or os.environ["PATH"]}, timeout=60, check=False)
        self.assertEqual(result.returncode, expected, result)
        return result

    def line(self, words: str) -> list[str]:
        """The words of the sbatch line."""
        out = self.call(f"{words} --dry-run" if " -- " not in words else words.replace(" -- ", " --dry-run -- ")).stdout
        return shlex.split([line for line in out.splitlines() if line.startswith("sbatch")][-1])

    def refuse(self, words: str, *parts: str):
        result = self.call(words, expected=2)
        self.assertEqual(result.stderr.count("\n"), 1, result)
        for part in ("error: ", *parts):
            self.assertIn(part, result.stderr)

    def partition(self, **changes: str | None) -> Path:
        values = dict(name="p", nodes="4", sockets="2", cores="8", gpus="0", memory="16G", time_limit="01:00:00", options="")
        values |= changes
        file = self.folder / "partition.ini"
        file.write_text("[partition]\n" + "".join(f"{k} = {v}\n" for k, v in values.items() if v is not None))
        return file

    def test_a_rank_a_socket_and_all_its_cores(self):
        line = self.line(f"train {QUICKSTART} --on {CPU}")
        for word in ("--partition=batch", "--nodes=8", "--ntasks-per-node=2", "--cpus-per-task=64", "--job-name=quickstart",
                     "--export=ALL,OMP_NUM_THREADS=64", "--time=24:00:00", "--mem=240G"):
            self.assertIn(word, line)
        self.assertEqual(line[-3:], ["jobs/train.sbatch", "--config", "configs/quickstart.cfg"])

    def test_a_rank_a_gpu(self):
        line = self.line(f"train {QUICKSTART} --on {GPU}")
        for word in ("--nodes=4", "--ntasks-per-node=4", "--cpus-per-task=18", "--gpus-per-node=4"):
            self.assertIn(word, line)

    def test_a_mesh_that_nobody_set_is_left_open_to_the_allocation(self):
        line = self.line(f"train {ROOT}/configs/parity.cfg --on {CPU} --nodes 3 -- --parallel.tensor 2 --run.steps 9")
        self.assertEqual(line[line.index("jobs/train.sbatch") + 3:],
                         ["--parallel.data", "0", "--parallel.tensor", "2", "--run.steps", "9"])
        self.assertIn("--nodes=3", line)
        self.assertIn("data 3 across nodes",
                      self.call(f"train {ROOT}/configs/parity.cfg --on {CPU} --nodes 3 --dry-run -- --parallel.tensor 2").stdout)

    def test_it_warns_of_a_tensor_axis_across_nodes(self):
        words = f"train {ROOT}/configs/parity.cfg --on {CPU} --dry-run -- --parallel.tensor"
        self.assertIn("beware  the tensor axis crosses nodes", self.call(f"{words} 4").stdout)
        self.assertNotIn("beware", self.call(f"{words} 2").stdout)

    def test_an_array_has_a_member_for_each_configuration(self):
        gla, lstm = ROOT / "configs/experiments/gla.cfg", ROOT / "configs/experiments/lstm.cfg"
        line = self.line(f"array {gla} {lstm} --on {CPU} --at-once 2 -- --run.steps 5")
        self.assertIn("--array=0-1%2", line)
        self.assertEqual(line[line.index("jobs/array.sbatch") + 1:],
                         ["configs/experiments/gla.cfg", "configs/experiments/lstm.cfg", "--", "--run.steps", "5"])

    def test_an_evaluation_waits_for_its_training(self):
        out = self.call(f"train {QUICKSTART} --on {CPU} --evaluate --dry-run").stdout
        last = shlex.split(out.splitlines()[-1])
        self.assertIn("--dependency=afterok:JOB", last)
        self.assertEqual(last[-2:], ["jobs/evaluate.sbatch", "runs/quickstart"])

    def test_a_study_opens_its_axis(self):
        out = self.call(f"scaling long {ROOT}/configs/bench/step.cfg 4096 --on {CPU} --nodes 4 --dry-run").stdout
        self.assertIn("sequence 8 across nodes", out)
        self.assertIn("jobs/scaling.sbatch long configs/bench/step.cfg 4096", out)

    def test_it_hands_the_line_to_sbatch_in_the_checkout(self):
        fake = self.folder / "sbatch"
        fake.write_text(f'#!/bin/bash\npwd > {self.folder}/where\nprintf "%s\\n" "$@" > {self.folder}/words\necho "7;cluster"\n')
        fake.chmod(0o755)
        options = self.partition(options="--account=me --qos=low")
        result = self.call(f"evaluate runs/x --on {options} --after 6", path=f"{self.folder}:{os.environ['PATH']}")
        self.assertIn("job     7\n", result.stdout)
        self.assertEqual((self.folder / "where").read_text().strip(), str(ROOT))
        words = (self.folder / "words").read_text().splitlines()
        for word in ("--account=me", "--qos=low", "--dependency=afterok:6", "--parsable", "jobs/evaluate.sbatch"):
            self.assertIn(word, words)

    def test_mistakes_get_a_sentence(self):
        train = f"train {QUICKSTART} --dry-run --on"
        self.refuse(f"{train} {self.folder}/none.ini", "none.ini")
        self.refuse(f"{train} {self.partition(cores=None)}", "misses key 'cores'")
        self.refuse(f"{train} {self.partition(core='8')}", "unknown key 'core'")
        self.refuse(f"{train} {self.partition(cores='many')}", "cores = 'many'")
        self.refuse(f"{train} {self.partition(cores='0')}", "cores = 0")
        self.refuse(f"{train} {self.partition(memory='lots')}", "'lots'")
        self.refuse(f"{train} {self.partition(time_limit='soon')}", "'soon'")
        self.refuse(f"{train} {self.partition(sockets='16')}", "do not fit on the 8 cores")
        self.refuse(f"{train} {self.partition()}", "needs 8 nodes", "may have 4")
        self.refuse(f"{train} {self.partition()} --ranks-per-node 3", "do not fill 6 nodes of at most 3 ranks")
        self.refuse(f"{train} {CPU} --nodes 0", "a number above 0")
        self.refuse(f"{train} {CPU} --time 99:00:00", "over the 24:00:00")
        self.refuse(f"{train} {CPU} -- --run.memory_limit 200G", "more than the 240G")
        self.refuse(f"{train} {CPU} -- --parallel.data 0 --parallel.tensor 0", "two axes", "parallel.tensor, parallel.data")
        self.refuse(f"{train} {CPU} -- --parallel.data two", "parallel.data = 'two'")
        self.refuse(f"train {self.folder}/none.cfg --on {CPU}", "none.cfg")
        self.refuse(f"scaling odd {QUICKSTART} --on {CPU}", "'odd'")
        self.refuse(f"scaling weak {QUICKSTART} --on {CPU}", "needs a size")

    def test_without_sbatch_it_says_so(self):
        result = self.call(f"train {QUICKSTART} --on {CPU}", expected=2, path="/nonexistent")
        self.assertIn("sbatch is not on the PATH", result.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "--verbose"])
