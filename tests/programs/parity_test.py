"""configs/parity.cfg, the proof run: every mesh gives the losses of one rank."""

from pathlib import Path

import programs
from programs import ProgramTest, largest_difference, metric

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "parity.cfg"
AXES = ["data", "tensor", "pipeline", "sequence"]


class Parity(ProgramTest):
    def losses(self, mesh: tuple[int, int, int, int], words: str = "") -> list[float]:
        ranks = mesh[0] * mesh[1] * mesh[2] * mesh[3]
        name = "x".join(map(str, mesh))
        sizes = " ".join(f"--parallel.{axis} {size}" for axis, size in zip(AXES, mesh))
        self.run_program("train", f"--config {CONFIG} --run.directory {self.folder} --run.name {name} "
                         f"--data.corpus {self.corpus} {sizes} {words}", ranks)
        run = self.folder / name
        return metric(run, "train/loss") + metric(run, "train/grad_norm") + metric(run, "validation/loss")

    def test_every_mesh_gives_the_losses_of_one_rank(self):
        one = self.losses((1, 1, 1, 1))
        self.assertEqual(len(one), 5 + 5 + 1)
        for mesh in [(2, 1, 1, 1), (1, 2, 1, 1), (1, 1, 2, 1), (1, 1, 1, 2), (2, 2, 2, 2)]:
            with self.subTest(mesh=mesh):
                self.assertLess(largest_difference(self.losses(mesh), one), 1e-10)

    def test_zero_gives_the_losses_of_one_rank(self):
        one = self.losses((1, 1, 1, 1))
        for zero in [1, 2, 3]:
            with self.subTest(zero=zero):
                words = f"--parallel.zero {zero} --parallel.schedule zb-h1"
                self.assertLess(largest_difference(self.losses((2, 1, 2, 2), words), one), 1e-10)

    def test_a_chosen_method_gives_the_losses_of_one_rank_and_stays_when_the_run_goes_on(self):
        one = self.losses((1, 1, 1, 1))
        auto = "--parallel.sequence_method auto"
        self.assertLess(largest_difference(self.losses((1, 1, 1, 4), auto), one), 1e-10)
        run = self.folder / "1x1x1x4"
        lines = (run / "config.cfg").read_text().splitlines()
        method = next(line.split(" = ")[1] for line in lines if line.startswith("sequence_method"))
        self.assertNotEqual(method, "auto")
        self.assertIn(f"{method}, chosen: ", (run / "log.txt").read_text())
        # A run that goes on does not choose again: it keeps the method, whatever would be chosen today.
        run = self.folder / "1x1x1x2"
        other = "tokenring" if method != "tokenring" else "ring"
        before = self.losses((1, 1, 1, 2), f"--parallel.sequence_method {other}")
        self.assertEqual(self.losses((1, 1, 1, 2), auto + " --run.resume auto"), before)
        self.assertNotIn("chosen: ", (run / "log.txt").read_text())
        self.assertIn(f"sequence_method = {other}\n", (run / "config.cfg").read_text())


if __name__ == "__main__":
    programs.main()
