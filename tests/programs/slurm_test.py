"""The jobs on a real SLURM of two nodes on this machine: runs that are stopped, queued again and go on exactly; arrays,
studies, dependencies; and what a user gets wrong."""

import sys
from pathlib import Path

import h5py
import programs
from cluster import Cluster, missing
from programs import ProgramTest, checkpoint, largest_difference, metric

ROOT = Path(__file__).resolve().parents[2]
STEPS = 100
RUN = f"--run.steps {STEPS} --model.dropout 0.1 --parallel.data 0"
TWO_NODES = ("--nodes=2", "--ntasks-per-node=1")
ONE_NODE = ("--nodes=1", "--ntasks-per-node=2")


class Jobs(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Jobs write beside their scripts: a checkout of links keeps the real one clean.
        cls.checkout = cls.shared / "checkout"
        cls.checkout.mkdir()
        for name in ("configs", "container", "jobs"):
            (cls.checkout / name).symlink_to(ROOT / name)
        cls.cluster = Cluster(cls.shared / "slurm", cls.checkout)
        cls.cluster.environment["PATH"] = f"{programs.APPS}:{cls.cluster.environment['PATH']}"
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()

    def submit(self, options: tuple[str, ...], script: str, words: str, **environment: str) -> int:
        return self.cluster.submit("--output", f"{self.folder}/%j.log", *options, f"jobs/{script}.sbatch", *words.split(),
                                   **environment)

    def log(self, job: int) -> str:
        return (self.folder / f"{job}.log").read_text()

    def finish(self, job: int, state: str, code: int = 0, restarts: int = 0) -> dict[str, str]:
        shown = self.cluster.finish(job)
        ended = (shown["JobState"], shown["ExitCode"], shown["Restarts"])
        self.assertEqual(ended, (state, f"{code}:0", str(restarts)), self.log(job))
        return shown

    def started(self, name: str) -> int:
        """A job whose run has begun and pauses, so that no signal comes too late."""
        job = self.submit(TWO_NODES, "train", self.training(name, RUN))
        log = self.folder / name / "log.txt"
        self.cluster.wait_for("step", lambda: log.exists() and " tokens/s " in log.read_text())
        self.cluster.pause(job)
        return job

    def undisturbed_losses(self) -> list[float]:
        if not hasattr(Jobs, "losses"):
            job = self.submit(TWO_NODES, "train", self.training("whole", RUN))
            self.finish(job, "COMPLETED")
            Jobs.losses = metric(self.folder / "whole", "train/loss")
        return Jobs.losses

    # Stopped and queued again

    def test_a_preempted_run_goes_on_as_if_undisturbed(self):
        job = self.started("preempted")
        urgent = self.cluster.submit("--partition=urgent", "--exclusive", "--nodes=2", "--output=/dev/null", "--wrap", "true")
        self.cluster.finish(urgent)
        self.cluster.restart_soon(job)
        self.finish(job, "COMPLETED", restarts=1)
        self.assertIn("resumed", self.log(job))
        self.assertEqual(metric(self.folder / "preempted", "train/step"), list(range(1, STEPS + 1)))
        self.assertEqual(metric(self.folder / "preempted", "train/loss"), self.undisturbed_losses())

    def test_a_run_stopped_by_USR1_goes_on_with_fewer_ranks(self):
        job = self.started("fewer")
        for signal in ("USR1", "CONT"):
            self.cluster.run("scancel", f"--signal={signal}", str(job))
        self.cluster.wait_for_state(job, {"PENDING"})
        self.assertIn("queued again", self.log(job))
        self.cluster.run("scontrol", "update", f"JobId={job}", "NumNodes=1", "NumTasks=1")
        self.cluster.restart_soon(job)
        self.finish(job, "COMPLETED", restarts=1)
        self.assertIn("= 2 ranks", self.log(job))
        self.assertIn("= 1 ranks", self.log(job))
        losses = metric(self.folder / "fewer", "train/loss")
        self.assertLess(largest_difference(losses, self.undisturbed_losses()), 1e-10)

    def test_the_time_limit_sends_a_run_back_to_the_queue(self):
        words = self.training("limited", "--run.steps 30000")
        job = self.submit(("--time=1", "--signal=USR1@55", "--ntasks=1"), "train", words)
        self.cluster.wait_for("the run's return to the queue", lambda: self.cluster.job(job)["Restarts"] == "1", 90)
        self.assertIn("stopped before the time limit", self.log(job))
        steps = metric(self.folder / "limited", "train/step")
        self.assertTrue(checkpoint(self.folder / "limited", steps[-1]).exists())
        self.cluster.run("scancel", str(job))

    def test_scancel_leaves_a_checkpoint_and_ends_it(self):
        job = self.started("cancelled")
        self.cluster.run("scancel", str(job))
        self.finish(job, "CANCELLED", 75)
        self.assertNotIn("queued again", self.log(job))
        steps = metric(self.folder / "cancelled", "train/step")
        self.assertTrue(checkpoint(self.folder / "cancelled", steps[-1]).exists())

    # Several jobs

    def test_an_evaluation_follows_a_training_that_ended_well(self):
        trained = self.submit(ONE_NODE, "train", self.training("evaluated", "--parallel.data 2"))
        good = ("--dependency", f"afterok:{trained}", "--kill-on-invalid-dep=yes")
        evaluation = self.submit((*TWO_NODES, *good), "evaluate", f"{self.folder}/evaluated")
        failed = self.submit(ONE_NODE, "train", self.training("failed", "--run.steps 0"))
        bad = ("--dependency", f"afterok:{failed}", "--kill-on-invalid-dep=yes")
        never = self.submit((*TWO_NODES, *bad), "evaluate", f"{self.folder}/failed")
        self.finish(evaluation, "COMPLETED")
        loss = metric(self.folder / "evaluated", "validation/loss")[-1]
        self.assertIn(f"step 4, validation loss {loss:.6f}", self.log(evaluation))
        self.assertEqual(self.cluster.finish(never)["JobState"], "CANCELLED")

    def test_a_failing_member_of_an_array_leaves_the_others_alone(self):
        for name, mixers in [("one", "attention"), ("two", "nosuch"), ("three", "gla")]:
            words = self.training(name).split()
            sections = {}
            for key, value in zip(words[::2], words[1::2]):
                section, key = key[2:].split(".")
                sections.setdefault(section, []).append(f"{key} = {value}")
            sections["model"].append(f"mixers = {mixers}")
            text = "\n".join("\n".join([f"[{section}]", *lines]) for section, lines in sections.items())
            (self.folder / f"{name}.cfg").write_text(text)
        configs = " ".join(f"{self.folder}/{name}.cfg" for name in ("one", "two", "three"))
        job = self.cluster.submit("--output", f"{self.folder}/%a.log", "--array=0-2", *ONE_NODE, "jobs/array.sbatch",
                                  *configs.split(), "--", "--run.steps", "2")
        codes = [self.cluster.finish(f"{job}_{member}")["ExitCode"] for member in range(3)]
        self.assertEqual(codes, ["0:0", "2:0", "0:0"])
        self.assertIn("nosuch", self.log(1))
        results = self.checkout / f"runs/array-{job}"
        self.assertEqual(sorted(run.name for run in results.iterdir()), ["one", "three"])
        for name in ("one", "three"):
            self.assertEqual(metric(results / name, "train/step"), [1, 2])

    def test_a_scaling_study_leaves_a_table_for_each_point(self):
        config = self.folder / "study.cfg"
        config.write_text(f"[data]\ncorpus = {self.corpus}\n[model]\nlayers = 1\nwidth = 32\nheads = 2\n")
        job = self.submit(TWO_NODES, "scaling", f"long {config} 64 -- --bench.warmup 1 --bench.steps 2 --data.batch 2")
        self.finish(job, "COMPLETED")
        for ranks in (1, 2):
            with h5py.File(self.checkout / f"scaling/long-{job}/{ranks}.h5") as table:
                row = {name: column[0] for name, column in table["results"].items()}
            self.assertEqual((row["ranks"], row["sequence"], row["length"]), (ranks, ranks, 64 * ranks))
            self.assertGreater(row["tokens_per_second"], 0)

    def test_jobs_submit_brings_a_job_to_its_end(self):
        partition = self.folder / "partition.ini"
        partition.write_text("[partition]\nname = batch\nnodes = 2\nsockets = 1\ncores = 2\ngpus = 0\nmemory = 500M\n"
                             f"time_limit = 01:00:00\noptions = --output={self.folder}/%j.log\n")
        config = self.folder / "tiny.cfg"
        config.write_text("[run]\nname = submitted\n")
        done = self.cluster.run("python3", f"{ROOT}/jobs/submit", "train", str(config), "--on", str(partition), "--nodes",
                                "2", "--evaluate", "--", *self.training("submitted").split())
        trained, evaluated = (int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("job "))
        self.finish(trained, "COMPLETED")
        self.assertIn("= 2 ranks, each OpenMP, 2 threads", self.log(trained))
        self.finish(evaluated, "COMPLETED")
        self.assertIn("validation loss", self.log(evaluated))

    # Mistakes

    def refuse(self, sentence: str, options: tuple[str, ...], script: str, words: str, **environment: str):
        """One line says what is wrong; the job ends and is not queued again."""
        job = self.submit(options, script, words, **environment)
        self.finish(job, "FAILED", 2)
        lines = [line for line in self.log(job).splitlines() if not line.startswith("srun:")]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(sentence, lines[0])

    def test_more_tasks_than_the_mesh_has(self):
        self.refuse("needs 1 rank, but 2 were started", TWO_NODES, "train", self.training("mistaken"))

    def test_tasks_that_fill_no_mesh(self):
        self.refuse("multiple of 4", TWO_NODES, "train", self.training("mistaken", "--parallel.data 0 --parallel.pipeline 4"))

    def test_more_threads_than_cores(self):
        self.refuse("2 ranks a node with 64 threads", ONE_NODE, "train", self.training("mistaken", "--parallel.data 2"),
                    OMP_NUM_THREADS="64")

    def test_a_missing_corpus(self):
        self.refuse("none.h5", TWO_NODES, "train", self.training("mistaken", "--parallel.data 2 --data.corpus none.h5"))

    def test_a_member_that_an_array_does_not_have(self):
        self.refuse("--array=0-0", ("--array=3", *TWO_NODES), "array", "configs/parity.cfg")

    def test_an_unknown_study(self):
        self.refuse("no study 'strange'", TWO_NODES, "scaling", "strange configs/parity.cfg")


if __name__ == "__main__":
    if reason := missing():
        print(f"skipped: SLURM cannot run here: {reason}")
        sys.exit(77)
    programs.main()
