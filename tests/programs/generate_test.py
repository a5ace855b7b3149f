"""Text from checkpoints of any mesh, validation losses on any mesh, and what the programs say about themselves."""

import re

import programs
from programs import ProgramTest, finish, metric, start

STEPS = "--run.steps 30 --optimizer.learning_rate 0.01"
BERT = "--model.causal false --objective.kind masked_token"
LINFORMER = "--model.mixers linformer,attention --model.linformer_rank 5 --data.mask_documents false"
SECTIONS = {
    "bench": ["bench", "run", "model", "parallel", "data", "objective", "task", "optimizer", "checkpoint", "validation"],
    "train": ["run", "model", "parallel", "data", "objective", "task", "optimizer", "checkpoint", "validation"],
    "eval": ["run", "model", "parallel", "data", "objective", "task", "optimizer", "checkpoint", "validation"],
    "generate": ["generate"],
    "prepare": ["prepare"],
}


class Generate(ProgramTest):
    def text(self, run, words: str) -> str:
        return self.run_program("generate", f"{run} --generate.tokens 40 --generate.prompt ring {words}").out

    def test_checkpoints_of_any_mesh_say_the_same(self):
        one = self.train("one", STEPS)
        four = self.train("four", f"{STEPS} --parallel.data 2 --parallel.tensor 2", 4)
        for words in ["--generate.seed 3", "--generate.top_k 5", "--generate.top_p 0.8", "--generate.temperature 0"]:
            self.assertEqual(self.text(one, words), self.text(four, words), words)

    def test_the_prompt_begins_the_text_and_seeds_choose_it(self):
        run = self.train("run", STEPS)
        said = {seed: self.text(run, f"--generate.seed {seed}") for seed in (1, 2)}
        for seed, text in said.items():
            self.assertTrue(text.startswith("ring"), text)
            self.assertEqual(text, self.text(run, f"--generate.seed {seed}"))
        self.assertNotEqual(said[1], said[2])

    def test_temperature_0_and_top_k_1_and_a_tiny_top_p_take_the_likeliest_token(self):
        run = self.train("run", STEPS)
        likeliest = self.text(run, "--generate.temperature 0 --generate.seed 1")
        self.assertEqual(self.text(run, "--generate.temperature 0 --generate.seed 2"), likeliest)
        self.assertEqual(self.text(run, "--generate.top_k 1 --generate.seed 3"), likeliest)
        self.assertEqual(self.text(run, "--generate.top_p 1e-9 --generate.seed 4"), likeliest)
        self.assertNotEqual(self.text(run, "--generate.temperature 1.5"), likeliest)

    def test_samples_differ_and_each_begins_with_the_prompt(self):
        run = self.train("run", STEPS)
        samples = re.split(r"--- sample \d ---\n", self.text(run, "--generate.samples 3"))[1:]
        self.assertEqual(len(set(samples)), 3, samples)
        for sample in samples:
            self.assertTrue(sample.startswith("ring"), sample)

    def test_more_text_than_learned_positions_is_refused(self):
        run = self.train("learned", "--model.positions learned")
        refused = self.run_program("generate", f"{run} --generate.tokens 100", expected=2)
        self.assertEqual(len(refused.errors), 1, refused)
        self.assertIn("32 learned positions", refused.errors[0])


    def test_a_bidirectional_model_does_not_generate(self):
        run = self.train("bert", BERT)
        refused = self.run_program("generate", f"{run}", expected=2)
        self.assertEqual(len(refused.errors), 1, refused)
        self.assertIn("bidirectional model", refused.errors[0])


class Evaluate(ProgramTest):
    def test_masked_tokens_and_linformer_have_one_loss_on_every_mesh(self):
        run = self.train("linformer", f"{BERT} {LINFORMER} --run.steps 12 --parallel.data 2 --parallel.sequence 2", 4)
        for mesh, ranks in [("", 1), ("--parallel.sequence 3", 3), ("--parallel.tensor 2 --parallel.sequence 2", 4)]:
            out = self.run_program("eval", f"{run} {mesh}", ranks).out
            loss = float(re.search(r"validation loss ([0-9.]+)", out)[1])
            self.assertAlmostEqual(loss, metric(run, "validation/loss")[-1], delta=1e-6)

    def test_any_mesh_gives_the_validation_loss_of_the_training_run(self):
        run = self.train("run", f"{STEPS} --parallel.data 2 --parallel.tensor 2", 4)
        loss = metric(run, "validation/loss")[-1]
        meshes = {
            "": 1,
            "--parallel.sequence 2": 2,
            "--parallel.pipeline 2": 2,
            "--parallel.sequence 3": 3,
            "--parallel.data 2 --parallel.sequence 2": 4,
        }
        for mesh, ranks in meshes.items():
            with self.subTest(mesh=mesh):
                said = self.run_program("eval", f"{run} {mesh}", ranks).out
                found = re.search(r"step (\d+), validation loss ([0-9.]+) nats", said)
                self.assertIsNotNone(found, said)
                self.assertEqual(found.groups(), ("30", f"{loss:.6f}"))


class Help(ProgramTest):
    def test_help_of_every_program_names_its_sections(self):
        for program, sections in SECTIONS.items():
            said = self.run_program(program, "--help")
            self.assertEqual(said.err, "", program)
            self.assertEqual(re.findall(r"^\[(\w+)\]$", said.out, re.MULTILINE), sections, program)
            self.assertIn("Usage:", said.out)

    def test_help_of_inspect_names_its_argument(self):
        self.assertIn("longspan-inspect FILE", self.run_program("inspect", "--help").out)

    def test_many_ranks_print_help_and_version_once(self):
        for program in SECTIONS:
            said = self.run_program(program, "--help", 2).out
            self.assertEqual(said.count("Usage:"), 1, said)
            version = self.run_program(program, "--version", 2).out
            self.assertRegex(version, rf"^longspan-{program} \S+ \(.+\)\n$")

    def test_a_dry_run_prints_the_plan_and_writes_nothing(self):
        said = self.run_program("train", self.training("run", "--parallel.data 2") + " --dry-run", 2).out
        for word in ["2x1x1x1", "parameters", "memory", "4 steps"]:
            self.assertIn(word, said)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_dry_run_says_how_recurrent_cells_cross_the_sequence_axis(self):
        for heads, way in [(1, "lstm: states in a relay, 4 sequences in 2 groups: ranks wait 33 % of its time"),
                           (2, "lstm: rows for heads and back, all to all")]:
            model = f"--model.mixers lstm --model.width 512 --model.heads {heads} --data.batch 4 --parallel.sequence 2"
            said = self.run_program("train", self.training("run", model) + " --dry-run").out
            self.assertIn(way, said)

    def test_a_dry_run_plans_meshes_of_any_size(self):
        mesh = "--model.layers 4 --data.batch 16 --parallel.data 16 --parallel.pipeline 4 --parallel.sequence 8"
        for ranks in [1, 2]:
            said = self.run_program("train", self.training("run", f"{mesh} --run.memory_limit 1M --dry-run"), ranks).out
            self.assertIn("= 512 ranks", said)
            self.assertRegex(said, r"limit +1.00 MiB a rank: (enough|too little)")
            self.assertEqual(len(re.findall(r"^ +[0-3] ( +[0-9.]+ [KMGi]*B){7}$", said, re.MULTILINE)), 4, said)
            self.assertRegex(said, r"stage +pipeline +sequence +replicas")
            self.assertNotIn("checkpoint", said)  # it is saved at the end alone
        words = f"{mesh} --checkpoint.every 2 --checkpoint.asynchronous"
        said = {way: self.run_program("train", self.training("run", f"{words} {way} --dry-run")).out for way in ["true", "false"]}
        self.assertRegex(said["true"], r"checkpoint +a copy of up to [0-9.]+ KiB on top")
        self.assertNotIn("checkpoint", said["false"])

    def test_a_dry_run_refuses_what_the_run_would(self):
        result = self.run_program("train", self.training("run", "--data.sequence_length 99999 --dry-run"), 2, expected=2)
        self.assertIn("data.sequence_length = 99999", result.errors[0])


class Inspect(ProgramTest):
    def test_each_kind_of_file_is_described(self):
        run = self.train("run")
        files = {run / "checkpoints/step_00000004.h5": "blocks.0", run / "metrics.h5": "loss", self.corpus: "tokens"}
        for file, word in files.items():
            self.assertIn(word, self.run_program("inspect", str(file)).out)

    def test_the_metrics_of_a_running_run_can_be_read(self):
        process = start("train", self.training("run", "--run.steps 300"))
        log = self.folder / "run/log.txt"
        while not log.exists() or " tokens/s " not in log.read_text():
            self.assertIsNone(process.poll())
        self.assertIn("loss", self.run_program("inspect", str(self.folder / "run/metrics.h5")).out)
        self.assertEqual(finish(process).code, 0)


class Refusals(ProgramTest):
    def test_more_text_than_learned_positions_is_refused(self):
        run = self.train("learned", "--model.positions learned")
        result = self.run_program("generate", f"{run} --generate.tokens 100", expected=2)
        self.assertIn("32 learned positions", result.errors[0])


class Files(ProgramTest):
    def test_inspect_tells_what_a_file_is(self):
        run = self.train("run")
        self.assertIn("blocks.0", self.run_program("inspect", str(run / "checkpoints/step_00000004.h5")).out)
        self.run_program("inspect", str(run / "metrics.h5"))
        self.run_program("inspect", str(self.corpus))

    def test_a_dry_run_prints_the_plan_and_writes_nothing(self):
        result = self.run_program("train", self.training("dry", "--dry-run --parallel.sequence 2"), ranks=2)
        for word in ["model", "mesh", "memory", "steps"]:
            self.assertIn(word, result.out)
        self.assertFalse((self.folder / "dry").exists())


if __name__ == "__main__":
    programs.main()
