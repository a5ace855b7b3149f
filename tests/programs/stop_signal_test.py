"""A stop signal ends a run with a checkpoint and exit code 75; the same command goes on."""

import os
import signal
import time
from pathlib import Path

import programs
from programs import ProgramTest, checkpoint, finish, metric, parameters, start

STEPS = 400


class StopSignal(ProgramTest):
    def steps_done(self, run) -> int:
        log = run / "log.txt"
        return log.read_text().count(" tokens/s ") if log.exists() else 0

    def check(self, number: signal.Signals, mesh: str, ranks: int):
        words = f"--run.steps {STEPS} --model.dropout 0.1 {mesh}"
        run = self.folder / "run"
        process = start("train", self.training("run", words), ranks)
        patience = time.monotonic() + 30
        while self.steps_done(run) < 3:
            self.assertIsNone(process.poll(), "the run ended before the signal")
            self.assertLess(time.monotonic(), patience, "no step after 30 s")
            time.sleep(0.01)
        os.kill(process.pid, number)
        stopped = finish(process)
        self.assertEqual(stopped.code, 75, stopped)
        self.assertEqual(stopped.errors, [], stopped)
        self.assertIn("stopped by a signal", stopped.out)
        steps = metric(run, "train/step")
        self.assertLess(len(steps), STEPS, "the signal came too late to prove anything")
        self.assertTrue(checkpoint(run, steps[-1]).exists())
        self.train("run", words, ranks)
        self.assertEqual(metric(run, "train/step"), list(range(1, STEPS + 1)))
        whole = self.train("whole", words, ranks)
        self.assertEqual(metric(run, "train/loss"), metric(whole, "train/loss"))
        self.assertEqual(parameters(checkpoint(run, STEPS)), parameters(checkpoint(whole, STEPS)))

    def test_a_signal_before_the_first_step(self):
        process = start("train", self.training("run", f"--run.steps {STEPS}"), 1)
        while process.poll() is None and not self.hears(process):
            time.sleep(0.001)
        self.assertFalse((self.folder / "run").exists(), "signals are heard too late")
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)  # the same request, passed on by another messenger
        stopped = finish(process)
        self.assertEqual(stopped.code, 75, stopped)
        steps = metric(self.folder / "run", "train/step")
        self.assertEqual(steps, [1])
        self.assertTrue(checkpoint(self.folder / "run", 1).exists())

    def hears(self, process) -> bool:
        """The launched program catches SIGTERM: it has begun, long before MPI is up."""
        def catches(pid: str) -> bool:
            status = Path("/proc", pid, "status").read_text()
            return "longspan-train" in status and bool(int(status.split("SigCgt:")[1].split()[0], 16) >> 14 & 1)
        try:
            return catches(str(process.pid))
        except (FileNotFoundError, ProcessLookupError):
            return False

    def test_a_second_signal_ends_a_run_at_once(self):
        run = self.folder / "run"
        process = start("train", self.training("run", "--run.steps 5 --data.batch 512 --data.sequence_length 512"), 1)
        while not (run / "log.txt").exists():
            self.assertIsNone(process.poll(), "the run ended before the signal")
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(3.5)
        os.kill(process.pid, signal.SIGTERM)
        stopped = finish(process)
        self.assertEqual(stopped.code, 3, stopped)
        self.assertIn("second stop signal", stopped.errors[0])

    def test_SIGUSR1_stops_one_rank(self):
        self.check(signal.SIGUSR1, "", 1)

    def test_SIGTERM_stops_one_rank(self):
        self.check(signal.SIGTERM, "", 1)

    def test_SIGUSR1_to_the_launcher_stops_all_ranks(self):
        self.check(signal.SIGUSR1, "--parallel.data 2 --parallel.sequence 2", 4)


if __name__ == "__main__":
    programs.main()
