"""Tasks: made up on any mesh, accuracy in metrics and evaluation, longer sequences than trained."""

import re
from pathlib import Path

import programs
from programs import ProgramTest, checkpoint, largest_difference, metric

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs" / "tasks").glob("*.cfg"))
TASKS = ["copy", "induction", "modular", "mqar", "parity", "s5"]
SHORT = "--run.steps 3 --run.dtype float64 --data.batch 8 --validation.every 2 --validation.sequences 9 --optimizer.warmup 2"


class Tasks(ProgramTest):
    @classmethod
    def setUpClass(cls):
        pass  # no corpus

    def train_config(self, config: Path, name: str, words: str = "", ranks: int = 1) -> Path:
        self.run_program("train", f"--config {config} --run.directory {self.folder} --run.name {name} {SHORT} {words}",
                         ranks)
        return self.folder / name

    def evaluate(self, run: Path, words: str, ranks: int = 1) -> tuple[float, float]:
        """Loss and accuracy in percent."""
        said = self.run_program("eval", f"{checkpoint(run, 3)} {words}", ranks).out
        found = re.search(r"validation loss (\S+) nats a token, accuracy (\S+)%", said)
        self.assertIsNotNone(found, said)
        return float(found[1]), float(found[2])

    def test_each_config_on_several_meshes(self):
        self.assertEqual([config.stem for config in CONFIGS], TASKS)
        for config in CONFIGS:
            one = self.train_config(config, config.stem)
            self.assertIn("accuracy", (one / "log.txt").read_text())
            for mesh in ["--parallel.data 2", "--parallel.tensor 2", "--parallel.sequence 2"]:
                with self.subTest(task=config.stem, mesh=mesh):
                    other = self.train_config(config, f"{config.stem}{mesh[-3:-2]}", mesh, 2)
                    for name in ["train/accuracy", "validation/accuracy"]:
                        self.assertEqual(metric(other, name), metric(one, name))
                    for name in ["train/loss", "validation/loss"]:
                        self.assertLess(largest_difference(metric(other, name), metric(one, name)), 1e-10)

    def test_evaluation_repeats_validation_and_goes_on_to_longer_sequences(self):
        run = self.train_config(CONFIGS[TASKS.index("parity")], "parity")
        loss, accuracy = self.evaluate(run, "")
        self.assertAlmostEqual(loss, metric(run, "validation/loss")[-1], places=6)
        self.assertAlmostEqual(accuracy, 100 * metric(run, "validation/accuracy")[-1], places=2)
        longer = "--data.sequence_length 256 --task.answers last --validation.sequences 20"
        one = self.evaluate(run, longer)
        self.assertIn(one[1] % 5, [0.0])  # twentieths
        self.assertEqual(self.evaluate(run, longer + " --parallel.sequence 2", 2), one)

    def test_a_resumed_run_goes_on_with_the_same_sequences(self):
        parity = CONFIGS[TASKS.index("parity")]
        constant = "--optimizer.schedule constant"
        whole = self.train_config(parity, "whole", constant)
        self.train_config(parity, "parts", f"{constant} --run.steps 2")
        part = self.train_config(parity, "parts", constant)
        for name in ["train/loss", "train/accuracy", "train/tokens"]:
            self.assertEqual(metric(part, name), metric(whole, name))

    def test_bad_input(self):
        for words, sentence in [
            ("--data.task knot", "data.task"),
            ("--data.task parity --data.corpus a.h5", "data.task = parity and data.corpus = a.h5 exclude each other"),
            ("--data.task mqar --task.pairs 40", "task.vocabulary = 64 is too small for data.task = mqar; use 82 or more"),
            ("--data.task mqar --data.sequence_length 8", "data.sequence_length = 8 is too small for data.task = mqar"),
            ("", "data.corpus is not set; name a token store made by longspan-prepare, or a data.task"),
        ]:
            with self.subTest(words=words):
                result = self.run_program("train", f"--run.directory {self.folder} {words}", expected=2)
                self.assertEqual(len(result.errors), 1, result)
                self.assertIn(sentence, result.errors[0])

    def test_a_task_has_no_text_to_continue(self):
        run = self.train_config(CONFIGS[TASKS.index("parity")], "parity")
        result = self.run_program("generate", str(run), expected=2)
        self.assertIn("knows no text", result.errors[0])

    def test_a_dry_run_needs_no_corpus(self):
        said = self.run_program("train", f"--config {CONFIGS[0]} --dry-run --parallel.sequence 2").out
        self.assertIn("task       copy (16 vocabulary)", said)


if __name__ == "__main__":
    programs.main()
