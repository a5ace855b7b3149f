"""A rank that hangs or dies ends the run, and the others say what they wait for."""

import os
import signal
import time
from pathlib import Path

import programs
from programs import ProgramTest, finish, metric, start


def children(process) -> list[int]:
    """The ranks that a launcher has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if lines["PPid"] == str(process.pid) and lines["Name"].startswith("longspan-train"):
            found.append(int(lines["Pid"]))
    return found


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path("/proc", str(pid), "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Watchdog(ProgramTest):
    def start(self, words: str, sign: str = " tokens/s "):
        """A long run on two ranks, once its log has a line with the sign: of a step."""
        run = self.folder / "run"
        process = start("train", self.training("run", f"--run.steps 100000 --parallel.data 2 {words}"), 2)
        self.addCleanup(process.kill)
        patience = time.monotonic() + 30
        while not (run / "log.txt").exists() or sign not in (run / "log.txt").read_text():
            self.assertIsNone(process.poll(), "the run ended by itself")
            self.assertLess(time.monotonic(), patience, "no step after 30 s")
            time.sleep(0.01)
        return process

    def test_a_rank_that_hangs(self):
        process = self.start("--run.watchdog 3s")
        stopped = children(process)[0]
        os.kill(stopped, signal.SIGSTOP)
        began = time.monotonic()
        result = finish(process)
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual(result.code, 3, result)
        self.assertEqual(len(result.errors), 1, result)
        self.assertRegex(result.errors[0], r"rank [01] is not through with .* after run.watchdog = 3 s: it has waited")
        self.assertRegex(result.errors[0], r" in \w*(reduce|gather)\w* with the ranks of the group '(replicas|world)'")
        while lives(stopped):
            self.assertLess(time.monotonic() - began, 60, "the stopped rank lives on")
            time.sleep(0.1)

    def test_a_rank_that_hangs_at_its_start(self):
        process = self.start("--run.watchdog 3s", "model ")
        os.kill(children(process)[1], signal.SIGSTOP)
        result = finish(process)
        self.assertEqual(result.code, 3, result)
        self.assertRegex(result.errors[0], r"rank [01] is not through with (making|reading|measuring) .* after run.watchdog")

    def test_a_stop_signal_and_a_run_that_does_not_stop_in_time(self):
        process = self.start("--run.stop_within 2s")
        stopped, other = children(process)[:2]
        os.kill(stopped, signal.SIGSTOP)
        os.kill(other, signal.SIGUSR1)
        began = time.monotonic()
        result = finish(process)
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual(result.code, 3, result)
        self.assertRegex(result.errors[0], r"rank [01] is not through with step \d+ run.stop_within = 2 s after the stop")
        self.assertFalse(list((self.folder / "run").rglob("*.tmp")))

    def test_a_rank_that_dies(self):
        process = self.start("")
        os.kill(children(process)[0], signal.SIGKILL)
        began = time.monotonic()
        result = finish(process)
        self.assertLess(time.monotonic() - began, 30)
        self.assertNotEqual(result.code, 0, result)
        self.assertRegex(result.err, r"(?i)signal:? 9")  # the launcher's sentence

    def test_a_run_that_goes_on_is_left_alone(self):
        # Each step is quick, all of them together take longer than the watchdog's patience.
        run = self.train("run", "--run.watchdog 1s --run.steps 2500 --parallel.data 2", 2)
        seconds = metric(run, "/train/seconds")
        self.assertGreater(seconds[-1] - seconds[0], 1)


if __name__ == "__main__":
    programs.main()
