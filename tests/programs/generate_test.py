"""Text and validation losses from checkpoints of any mesh; the help of every program."""

import re

import programs
from programs import ProgramTest

SECTIONS = {
    "prepare": ["prepare"],
    "train": ["run", "model", "parallel", "data", "optimizer", "checkpoint", "validation"],
    "eval": ["run", "model", "parallel", "data", "validation"],
    "bench": ["bench", "run", "model", "parallel", "data"],
    "generate": ["generate"],
    "inspect": [],
}
PROMPT = "--generate.tokens 40 --generate.prompt"


class Generate(ProgramTest):
    def generate(self, run, words: str) -> str:
        return self.run_program("generate", f"{run} {words}").out

    def test_a_mesh_and_one_rank_write_the_same_text(self):
        one = self.train("one", "--run.steps 20")
        mesh = self.train("mesh", "--run.steps 20 --parallel.data 2 --parallel.tensor 2", ranks=4)
        for words in ["--generate.temperature 0", "--generate.seed 3", "--generate.top_k 5", "--generate.top_p 0.8"]:
            text = self.generate(one, f"{words} {PROMPT} the")
            self.assertTrue(text.startswith("the"), text)
            self.assertEqual(text, self.generate(mesh, f"{words} {PROMPT} the"))

    def test_another_seed_writes_another_text(self):
        run = self.train("one")
        self.assertNotEqual(self.generate(run, f"--generate.seed 1 {PROMPT} a"), self.generate(run, f"--generate.seed 2 {PROMPT} a"))
        self.assertEqual(self.generate(run, f"--generate.top_k 1 {PROMPT} a"),
                         self.generate(run, f"--generate.temperature 0 {PROMPT} a"))

    def test_more_text_than_learned_positions_is_refused(self):
        run = self.train("learned", "--model.positions learned")
        result = self.run_program("generate", f"{run} --generate.tokens 100", expected=2)
        self.assertIn("32 learned positions", result.errors[0])

    def test_eval_on_any_mesh_gives_the_loss_that_training_printed(self):
        trained = self.run_program("train", self.training("run"))
        loss = re.search(r"validation loss (\S+)", trained.out).group(1)
        for mesh, ranks in [("", 1), ("--parallel.sequence 3", 3), ("--parallel.pipeline 2 --parallel.tensor 2", 4)]:
            shown = self.run_program("eval", f"{self.folder / 'run'} {mesh}", ranks).out
            self.assertAlmostEqual(float(re.search(r"validation loss (\S+)", shown).group(1)), float(loss), delta=1e-4)

    def test_inspect_tells_what_a_file_is(self):
        run = self.train("run")
        self.assertIn("blocks.0", self.run_program("inspect", str(run / "checkpoints/step_00000004.h5")).out)
        self.run_program("inspect", str(run / "metrics.h5"))
        self.run_program("inspect", str(self.corpus))

    def test_help_names_every_section(self):
        for program, sections in SECTIONS.items():
            text = self.run_program(program, "--help").out
            for section in sections:
                self.assertIn(f"[{section}]", text)
            self.run_program(program, "--version")

    def test_a_dry_run_prints_the_plan_and_writes_nothing(self):
        result = self.run_program("train", self.training("dry", "--dry-run --parallel.sequence 2"), ranks=2)
        for word in ["model", "mesh", "memory", "steps"]:
            self.assertIn(word, result.out)
        self.assertFalse((self.folder / "dry").exists())


if __name__ == "__main__":
    programs.main()
