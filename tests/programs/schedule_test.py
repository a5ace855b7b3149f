"""Pipeline schedules as a user meets them: planned, written, read back, run, traced, refused."""

import json
import re
from xml.etree import ElementTree

import programs
from programs import ProgramTest, largest_difference, metric

NAMES = ["gpipe", "1f1b", "interleaved", "zb-h1", "zb-v"]


def actions(trace: dict, pid: int = 0) -> list[dict]:
    return [event for event in trace["traceEvents"] if event["ph"] == "X" and event["pid"] == pid]


class Schedules(ProgramTest):
    def plan(self, words: str, expected: int = 0):
        return self.run_program("bench", f"schedule {words}", expected=expected)

    def bubble(self, words: str) -> float:
        return float(re.search(r"which ([\d.]+) % are bubble", self.plan(words).out)[1])

    def test_plans_have_the_bubbles_of_their_formulas(self):
        p, m = 4, 8
        for name, expected in zip(NAMES, [3 / 11, 3 / 11, 3 / 19, 1 / 9, 3 / 51]):
            words = f"--parallel.schedule {name} --parallel.pipeline {p} --parallel.microbatches {m}"
            self.assertAlmostEqual(self.bubble(words), 100 * expected, delta=0.006)
            self.assertIn(f"closed form {100 * expected:.2f} %", self.plan(words).out)

    def test_files_are_whole_and_a_written_schedule_is_read_back(self):
        for name in NAMES:
            output = self.folder / name
            self.plan(f"--parallel.schedule {name} --schedule.output {output} --schedule.backward_input 1.5")
            trace = json.loads(output.with_suffix(".json").read_text())
            self.assertEqual(len(actions(trace)), len(re.findall(r" [FBIW]\d", output.with_suffix(".txt").read_text())))
            drawing = ElementTree.fromstring(output.with_suffix(".svg").read_text())
            self.assertEqual(sum(1 for e in drawing.iter() if e.tag.endswith("title")), len(actions(trace)))
            again = self.folder / f"{name}-again"
            self.plan(f"--parallel.schedule file:{output}.txt --schedule.output {again}")
            lines = [path.with_suffix(".txt").read_text().splitlines()[1:] for path in (output, again)]
            self.assertEqual(*lines)

    def test_a_traced_run_of_a_file_gives_the_losses_of_one_rank(self):
        self.plan(f"--parallel.schedule zb-v --parallel.pipeline 2 --parallel.microbatches 4 "
                  f"--schedule.output {self.folder / 'v'}")
        words = "--model.layers 4 --parallel.microbatches 4"
        one = self.train("one", words)
        self.assertFalse((one / "trace.json").exists())
        two = self.train("two", f"{words} --parallel.pipeline 2 --parallel.schedule file:{self.folder / 'v.txt'} "
                         "--parallel.stage_layers 1,1,1,1 --run.trace 3", ranks=2)
        self.assertLess(largest_difference(metric(two, "train/loss"), metric(one, "train/loss")), 1e-10)
        trace = json.loads((two / "trace.json").read_text())
        for pid in (0, 1):  # measured, planned
            ran = sorted(event["name"] for event in actions(trace, pid))
            self.assertEqual(ran, sorted(f"{kind} {m} of chunk {chunk}" for m in range(4) for chunk in range(4)
                                         for kind in ("forward", "backward_input", "backward_weight")))
        ElementTree.fromstring((two / "trace.svg").read_text())
        self.assertRegex((two / "log.txt").read_text(), r"bubble \d+\.\d % measured, \d+\.\d % planned")

    def test_a_dry_run_says_how_layers_are_shared(self):
        words = ("--model.layers 6 --data.batch 16 --parallel.microbatches 16 --parallel.pipeline 2 "
                 "--parallel.schedule {} --parallel.stage_layers {} --dry-run")
        line = r"pipeline +{}: 2 stages, {} chunks of {} layers, ([\d.]+) % bubble"
        bubbles = []
        for name, chunks, layers in [("1f1b", 2, "3,3"), ("1f1b", 2, "5,1"), ("zb-h1", 2, "3,3"), ("zb-v", 4, "1,2,2,1")]:
            result = self.run_program("train", self.training("planned", words.format(name, layers)))
            self.assertRegex(result.out, line.format(name, chunks, layers))
            bubbles.append(float(re.search(line.format(name, chunks, layers), result.out)[1]))
        self.assertLess(bubbles[0], bubbles[1])
        self.assertLess(bubbles[2], bubbles[0])

    def refuse(self, words: str, *parts: str):
        result = self.run_program("train", self.training("refused", words), expected=2)
        self.assertEqual(len(result.errors), 1, result)
        for part in parts:
            self.assertIn(part, result.errors[0])
        self.assertFalse((self.folder / "refused").exists())

    def test_what_does_not_fit_is_refused_in_a_sentence(self):
        self.refuse("--parallel.schedule zigzag", "no pipeline schedule 'zigzag'", "zb-v, file:PATH")
        self.refuse("--parallel.virtual_stages 3", "model.layers = 2", "parallel.virtual_stages = 3")
        self.refuse("--model.layers 4 --parallel.schedule zb-v --parallel.virtual_stages 3",
                    "zb-v has 2 chunks a stage, not 3", "parallel.virtual_stages")
        self.refuse("--parallel.schedule interleaved --parallel.virtual_stages 1", "2 or more chunks a stage, not 1")
        self.refuse("--parallel.schedule interleaved --model.layers 1", "model.layers = 1", "2 chunks")
        self.refuse("--parallel.stage_layers 1,1", "2 numbers for 1 chunks")
        self.refuse("--parallel.stage_layers 3", "adds up to 3 layers, but model.layers = 2")
        self.refuse("--parallel.stage_layers two", "'two'")
        self.refuse("--run.trace 5", "run.trace = 5 is after the last step")
        self.refuse("--parallel.schedule file:/no/such.txt", "/no/such.txt cannot be read")
        plan = self.folder / "plan.txt"
        for text, part in [("stage 0: F0.0 B0.0\nstage 1: F0.1 B0.1\n", "2 stages and 1 microbatches"),
                           ("stage 0: F0.0\n", "stage 0 never runs backward 0 of chunk 0"),
                           ("stage 0: B0.0 F0.0\n", "stage 0 waits for ever in backward 0 of chunk 0"),
                           ("alive 0\nstage 0: F0.0 B0.0\n", "1 microbatches alive after forward 0 of chunk 0"),
                           ("stage 0: F0.0 G0.0\n", "line 1: 'G0.0' is no action")]:
            plan.write_text(text)
            self.refuse(f"--parallel.schedule file:{plan}", part)

    def test_plans_refuse_what_is_no_plan(self):
        for words in ["--parallel.pipeline 0", "--parallel.microbatches 0", "--schedule.forward 0",
                      "--parallel.pipeline 9999 --parallel.microbatches 9999", "--schedule.forward nan"]:
            self.assertEqual(len(self.plan(words, expected=2).errors), 1)


if __name__ == "__main__":
    programs.main()
