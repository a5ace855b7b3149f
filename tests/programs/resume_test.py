"""A resumed run is bitwise the run that was never interrupted, and goes on on any other mesh."""

import shutil

import programs
from programs import ProgramTest, checkpoint, largest_difference, metric, parameters

STEPS = "--run.steps 12 --checkpoint.every 6 --checkpoint.keep 0 --validation.every 4"
MESH = "--parallel.data 2 --parallel.sequence 2"


class Resume(ProgramTest):
    def resumed_after_6(self, whole, name: str, words: str, ranks: int):
        """A run that begins at the whole run's checkpoint of step 6."""
        return self.train(name, f"{words} --run.resume {checkpoint(whole, 6)}", ranks)

    def check_bits(self, words: str, ranks: int):
        words = f"{STEPS} --model.dropout 0.1 {words}"
        whole = self.train("whole", words, ranks)
        rest = self.resumed_after_6(whole, "rest", words, ranks)
        self.assertEqual(metric(rest, "train/step"), [7, 8, 9, 10, 11, 12])
        for column in ["loss", "grad_norm", "learning_rate", "tokens"]:
            self.assertEqual(metric(rest, f"train/{column}"), metric(whole, f"train/{column}")[6:], column)
        self.assertEqual(metric(rest, "validation/loss"), metric(whole, "validation/loss")[1:])
        self.assertEqual(parameters(checkpoint(rest, 12)), parameters(checkpoint(whole, 12)))

    def test_one_rank_in_float64_repeats_the_bits(self):
        self.check_bits("--run.dtype float64", 1)

    def test_one_rank_in_float32_repeats_the_bits(self):
        self.check_bits("--run.dtype float32", 1)

    def test_one_rank_in_bfloat16_repeats_the_bits(self):
        self.check_bits("--run.dtype bfloat16", 1)

    def test_data_and_sequence_ranks_repeat_the_bits(self):
        self.check_bits(f"--run.dtype float32 {MESH}", 4)

    def test_ranks_that_share_states_gradients_and_values_repeat_the_bits(self):
        self.check_bits(f"--run.dtype bfloat16 --parallel.zero 3 {MESH}", 4)

    def test_tensor_and_pipeline_ranks_repeat_the_bits(self):
        self.check_bits("--run.dtype float32 --parallel.tensor 2 --parallel.pipeline 2 --parallel.microbatches 2", 4)

    def test_the_same_command_goes_on_where_its_run_ended(self):
        whole = self.train("whole", STEPS)
        part = self.folder / "part"
        shutil.copytree(whole, part)
        checkpoint(part, 12).unlink()
        self.train("part", STEPS)
        for name in ["train/step", "train/loss", "validation/step", "validation/loss"]:
            self.assertEqual(metric(part, name), metric(whole, name), name)
        self.assertEqual(parameters(checkpoint(part, 12)), parameters(checkpoint(whole, 12)))

    def test_a_finished_run_stays_as_it_is(self):
        run = self.train("run", STEPS)
        losses, bits = metric(run, "train/loss"), checkpoint(run, 12).read_bytes()
        self.train("run", STEPS)
        self.assertEqual(metric(run, "train/loss"), losses)
        self.assertEqual(checkpoint(run, 12).read_bytes(), bits)

    def test_never_starts_again(self):
        first = self.train("run", STEPS)
        losses = metric(first, "train/loss")
        self.train("run", f"{STEPS} --run.resume never")
        self.assertEqual(metric(first, "train/loss"), losses)
        self.assertEqual(metric(first, "train/step"), list(range(1, 13)))

    def test_masked_tokens_and_linformer_repeat_the_bits_and_go_on_on_another_mesh(self):
        model = ("--model.causal false --objective.kind masked_token --model.mixers linformer,attention "
                 "--model.linformer_rank 5 --data.mask_documents false")
        self.check_bits(f"{model} {MESH}", 4)
        whole = self.train("one", f"{STEPS} {model}")
        rest = self.resumed_after_6(whole, "four", f"{STEPS} {model} {MESH}", 4)
        self.assertLess(largest_difference(metric(rest, "train/loss"), metric(whole, "train/loss")[6:]), 1e-10)

    def test_another_mesh_goes_on_with_the_same_losses(self):
        whole = self.train("whole", STEPS)
        meshes = {
            "sequences": f"{MESH} --parallel.zero 2",
            "model": "--parallel.tensor 2 --parallel.pipeline 2 --parallel.microbatches 2",
        }
        for name, mesh in meshes.items():
            with self.subTest(mesh=mesh):
                rest = self.resumed_after_6(whole, name, f"{STEPS} {mesh}", 4)
                self.assertLess(largest_difference(metric(rest, "train/loss"), metric(whole, "train/loss")[6:]), 1e-10)
                self.assertLess(
                    largest_difference(metric(rest, "validation/loss"), metric(whole, "validation/loss")[1:]), 1e-10)

    def test_a_checkpoint_of_a_mesh_goes_on_on_one_rank(self):
        whole = self.train("whole", f"{STEPS} {MESH}", 4)
        rest = self.resumed_after_6(whole, "rest", STEPS, 1)
        self.assertLess(largest_difference(metric(rest, "train/loss"), metric(whole, "train/loss")[6:]), 1e-10)


if __name__ == "__main__":
    programs.main()
