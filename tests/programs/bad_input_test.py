"""Bad input gets one sentence, the right exit code, an end on all ranks, and leaves nothing half-written."""

import math
import subprocess

import h5py
import programs
from programs import ProgramTest, checkpoint, command, environment, metric

USER, ENVIRONMENT, DIVERGED = 2, 3, 4


class BadInput(ProgramTest):
    def refuse(self, words: str, *parts: str, ranks: int = 1, code: int = USER, program: str = "train"):
        """The program ends with `code` and one error sentence that holds every one of `parts`."""
        if program == "train":
            words = self.training("run", words)
        before = self.files()
        result = self.run_program(program, words, ranks, expected=code)
        self.assertEqual(len(result.errors), 1, result)
        for part in parts:
            self.assertIn(part, result.errors[0])
        left = [name for name in self.files() - before if name.endswith((".tmp", ".partial"))]
        self.assertEqual(left, [], "something is half-written")
        return result

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}

    def test_a_run_without_finite_losses(self):
        words = "--run.dtype float32 --optimizer.learning_rate 1e38 --run.steps 40 --run.patience 3"
        self.refuse(f"{words} --parallel.data 2", "in 3 steps in a row", "run.patience = 3", ranks=2, code=DIVERGED)
        skipped = metric(self.folder / "run", "train/skipped")
        self.assertEqual(skipped[-4:], [0, 1, 1, 1])
        self.assertIn("it read sequences", (self.folder / "run" / "log.txt").read_text())

    def test_a_gradient_that_overflows_beside_a_finite_loss_is_skipped(self):
        large = "--run.dtype float32 --model.layers 4 --objective.z_loss 5e35 --model.init_deviation 1"
        run = self.train("overflow", f"{large} --run.steps 1")
        self.assertTrue(math.isfinite(metric(run, "train/loss")[0]))
        self.assertFalse(math.isfinite(metric(run, "train/grad_norm")[0]))
        self.assertEqual(metric(run, "train/skipped"), [1])

    # Configuration

    def test_an_unknown_key_names_the_nearest_known_one(self):
        self.refuse("--model.layerz 3", "unknown key 'model.layerz'", "did you mean 'model.layers'?")

    def test_an_unknown_key_in_a_file_names_its_line(self):
        file = self.folder / "a.cfg"
        file.write_text("[run]\nsteps = 3\n\n[optimizer]\nlearning_rat = 1\n")
        self.refuse(f"--config {file}", "optimizer.learning_rat", "line 5", "optimizer.learning_rate")

    def test_a_word_where_a_number_belongs(self):
        self.refuse("--model.layers six", "model.layers = 'six'", "whole number")

    def test_an_unknown_choice_lists_the_choices(self):
        self.refuse("--run.dtype float8", "run.dtype = 'float8'", "float64, float32, bfloat16")

    def test_an_unknown_mixer_lists_the_known_ones(self):
        self.refuse("--model.mixers attentoin", "attentoin", "attention")

    def test_objectives_that_do_not_fit_the_model(self):
        self.refuse("--model.causal false", "objective.kind = next_token needs model.causal = true")
        self.refuse("--objective.kind masked_token", "objective.kind = masked_token needs model.causal = false")

    def test_what_linformer_cannot_do(self):
        bert = "--model.mixers linformer --model.causal false --objective.kind masked_token"
        self.refuse("--model.mixers linformer", "linformer", "model.causal = false")
        self.refuse(f"{bert} --parallel.sequence 2", "data.mask_documents = false", ranks=2)
        self.assertEqual(self.files(), set())

    def test_a_missing_configuration_file(self):
        self.refuse("--config nowhere.cfg", "nowhere.cfg", "does not exist")

    # Mesh

    def test_a_mesh_that_does_not_match_the_ranks(self):
        for ranks in [2, 3]:
            words = "--parallel.data 2 --parallel.sequence 2"
            self.refuse(words, "needs 4 ranks", f"{ranks} were started", ranks=ranks)

    def test_heads_that_do_not_divide(self):
        self.refuse("--parallel.tensor 3", "model.heads = 2", "parallel.tensor", ranks=3)

    def test_a_batch_that_does_not_divide(self):
        self.refuse("--data.batch 7 --parallel.data 2", "data.batch = 7", ranks=2)

    # Corpus

    def test_a_missing_corpus(self):
        self.refuse(f"--data.corpus {self.folder}/none.h5 --parallel.data 2", "none.h5", ranks=2)

    def test_no_corpus_at_all(self):
        result = self.run_program("train", "--run.steps 1", expected=USER)
        self.assertIn("data.corpus", result.errors[0])

    def test_a_corpus_that_is_no_hdf5_file(self):
        file = self.folder / "text.h5"
        file.write_text("once upon a time\n" * 100)
        self.refuse(f"--data.corpus {file} --parallel.data 2", "text.h5", ranks=2)

    def test_a_truncated_corpus(self):
        content = self.corpus.read_bytes()
        file = self.folder / "short.h5"
        for part in [0.2, 0.6, 0.95]:
            file.write_bytes(content[: int(part * len(content))])
            self.refuse(f"--data.corpus {file}", "short.h5")

    def test_an_hdf5_file_that_is_no_corpus(self):
        file = self.folder / "other.h5"
        with h5py.File(file, "w") as other:
            other["numbers"] = [1, 2, 3]
        self.refuse(f"--data.corpus {file}", "other.h5")

    def test_a_corpus_that_another_program_changed(self):
        file = self.folder / "wrong.h5"
        file.write_bytes(self.corpus.read_bytes())
        with h5py.File(file, "r+") as corpus:
            corpus["tokens"][7000] = 999
        for ranks in [1, 3]:
            self.refuse(f"--data.corpus {file} --parallel.sequence {ranks}", "error: ", "wrong.h5 is no whole token store", ranks=ranks)

    def test_a_corpus_shorter_than_a_sequence(self):
        self.refuse("--data.sequence_length 100000", "100000")

    def test_prepare_without_a_matching_file(self):
        words = f"--prepare.input {self.folder}/*.txt --prepare.output {self.folder}/a.h5"
        self.refuse(words, "*.txt", program="prepare")

    # Machine

    def test_a_memory_limit_names_the_tensor(self):
        self.refuse("--run.memory_limit 200K", "tensor '", "run.memory_limit", code=ENVIRONMENT)

    def test_a_run_folder_that_cannot_be_made(self):
        (self.folder / "file").write_text("")
        self.refuse(f"--run.directory {self.folder}/file --parallel.data 2", "file", ranks=2, code=ENVIRONMENT)

    def test_no_space_for_the_checkpoint(self):
        # A limit on the size of files stands for a full disk: writes fail in the same place.
        self.refuse_without_space(64, "train", self.training("run", "--model.width 64 --run.steps 2"), "checkpoints/")

    def test_no_space_for_the_metrics(self):
        for kibibytes in [0, 1, 8]:
            self.refuse_without_space(kibibytes, "train", self.training("run", "--run.steps 2"), "metrics.h5")

    def test_no_space_for_a_corpus(self):
        words = f"--prepare.input {self.shared / 'texts'} --prepare.output {self.folder / 'new.h5'}"
        self.refuse_without_space(4, "prepare", words, "new.h5")

    def refuse_without_space(self, kibibytes: int, program: str, words: str, part: str):
        shell = f"ulimit -f {kibibytes}; trap '' XFSZ; exec {' '.join(command(program, words, 1))}"
        result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=environment(), timeout=60)
        self.assertEqual(result.returncode, ENVIRONMENT, result)
        errors = programs.ERROR.findall(result.stderr)
        self.assertEqual(len(errors), 1, result)
        self.assertIn(part, errors[0])
        self.assertEqual([name for name in self.files() if name.endswith((".tmp", ".partial", "2.h5", "new.h5"))], [])

    # Checkpoints

    def test_a_checkpoint_of_another_model(self):
        other = self.train("other", "--model.width 64")
        self.refuse(f"--run.resume {checkpoint(other, 4)}", "another model", ranks=1)
        self.refuse(f"--run.resume {checkpoint(other, 4)} --parallel.data 2", "another model", ranks=2)

    def test_a_damaged_checkpoint(self):
        run = self.train("good")
        content = bytearray(checkpoint(run, 4).read_bytes())
        content[len(content) // 2] ^= 1
        damaged = self.folder / "damaged.h5"
        damaged.write_bytes(content)
        self.refuse(f"--run.resume {damaged}", "damaged.h5")

    def test_a_refused_command_leaves_the_run_as_it_was(self):
        run = self.train("run")
        files = [run / "config.cfg", run / "metrics.h5", checkpoint(run, 4)]
        before = [file.read_bytes() for file in files]
        self.refuse("--model.width 64", "another model")
        self.refuse("--model.width 64 --parallel.data 2", "another model", ranks=2)
        self.refuse("--run.steps 8 --run.memory_limit 200K", "tensor '", code=ENVIRONMENT)
        self.assertEqual([file.read_bytes() for file in files], before)

    def test_a_refused_configuration_or_corpus_makes_no_run_folder(self):
        for words in ["--data.batch 0", "--data.sequence_length 100000", "--data.corpus none.h5"]:
            self.refuse(words)
        self.assertEqual(self.files(), set())

    def test_a_missing_checkpoint(self):
        self.refuse(f"--run.resume {self.folder}/none.h5", "none.h5")
        self.refuse("", "no checkpoint was named", program="generate")
        self.refuse(str(self.folder), "holds no checkpoint", program="generate")


if __name__ == "__main__":
    programs.main()
