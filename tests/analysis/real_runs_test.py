"""The analysis of what the programs write: configs/parity.cfg on one rank and on four, resumed, stopped, and live."""

import shutil
import signal
import sys
import time
from pathlib import Path

import support  # noqa: F401  (the package under test)

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
import programs  # noqa: E402
from programs import checkpoint, finish, metric, start  # noqa: E402

from longspan_analysis import load_run  # noqa: E402
from longspan_analysis.report import build  # noqa: E402
from longspan_analysis.watch import plain  # noqa: E402

PARITY = Path(__file__).resolve().parents[2] / "configs/parity.cfg"


class RealRuns(programs.ProgramTest):
    def parity(self, name, words="", ranks=1):
        self.run_program("train", f"--config {PARITY} --run.directory {self.folder} --run.name {name} "
                                  f"--data.corpus {self.corpus} {words}", ranks)  # fmt: skip
        return self.folder / name

    def test_one_rank_and_a_mesh(self):
        serial = load_run(self.parity("serial", "--validation.every 5"))
        mesh = load_run(self.parity("mesh", "--parallel.data 2 --parallel.sequence 2", 4))
        self.assertEqual((serial.state, serial.steps_done, len(serial.validation)), ("finished", 5, 1))
        self.assertEqual(serial.train["loss"].tolist(), metric(serial.path, "train/loss"))
        self.assertEqual(serial.units["tokens_per_second"], "token/s")
        self.assertEqual(mesh.config["parallel.sequence"], "2")
        self.assertEqual(serial.config["model.width"], "32")
        account = mesh.communication_summary()
        self.assertIn("sequence", account.index)
        self.assertTrue((account["calls"] > 0).all())
        page = build([serial, mesh])
        for words in ["2 runs compared", "parallel.sequence", "Communication by axis", "2x1x1x2"]:
            self.assertIn(words, page)
        self.assertIn("Seconds of rank 0", build([mesh]))

    def test_a_resumed_run_is_one_run(self):
        words = "--run.steps 8 --checkpoint.every 4 --checkpoint.keep 0 --run.resume auto"
        whole = self.parity("run", words)
        checkpoint(whole, 8).unlink()
        seconds = metric(whole, "train/seconds")
        run = load_run(self.parity("run", words))
        self.assertEqual(run.train["step"].tolist(), list(range(1, 9)))
        self.assertEqual(run.train["seconds"][:4].tolist(), seconds[:4])
        self.assertTrue((run.train["seconds"].diff()[1:] > 0).all())
        self.assertTrue((run.train["step_seconds"] > 0).all())

    def test_a_run_is_read_while_it_writes_and_after_it_was_stopped_or_killed(self):
        process = start("train", self.training("run", "--run.steps 1000000"))
        try:
            path = self.folder / "run"
            while not (path / "metrics.h5").exists() or load_run(path).steps_done < 3:
                self.assertIsNone(process.poll(), "ended early")
                time.sleep(0.01)
            rows = [load_run(path) for _ in range(20)]  # while rows are being added
            self.assertTrue(all(run.state == "running" for run in rows))
            self.assertTrue(all(len(run.train) == run.steps_done for run in rows))
            self.assertIn("running", plain(rows[-1], "_#"))
            self.assertIn(" left", plain(rows[-1], "_#"))
            killed = self.folder / "killed"
            shutil.copytree(path, killed)
            process.send_signal(signal.SIGUSR1)
            self.assertEqual(finish(process).code, 75)
        finally:
            process.kill()
        run = load_run(path)
        self.assertEqual((run.state, run.steps_planned), ("stopped", 1000000))
        self.assertGreaterEqual(run.steps_done, load_run(killed).steps_done)
        self.assertIn("stopped early", build([run]))


if __name__ == "__main__":
    programs.main()
