"""configs/parity.cfg, the proof run: every mesh gives the losses of one rank."""

from pathlib import Path

import programs
from programs import ProgramTest, largest_difference, metric

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "parity.cfg"
AXES = ["data", "tensor", "pipeline", "sequence"]


class Parity(ProgramTest):
    def losses(self, mesh: tuple[int, int, int, int]) -> list[float]:
        ranks = mesh[0] * mesh[1] * mesh[2] * mesh[3]
        name = "x".join(map(str, mesh))
        sizes = " ".join(f"--parallel.{axis} {size}" for axis, size in zip(AXES, mesh))
        self.run_program("train", f"--config {CONFIG} --run.directory {self.folder} --run.name {name} "
                         f"--data.corpus {self.corpus} {sizes}", ranks)
        run = self.folder / name
        return metric(run, "train/loss") + metric(run, "train/grad_norm") + metric(run, "validation/loss")

    def test_every_mesh_gives_the_losses_of_one_rank(self):
        one = self.losses((1, 1, 1, 1))
        self.assertEqual(len(one), 5 + 5 + 1)
        for mesh in [(2, 1, 1, 1), (1, 2, 1, 1), (1, 1, 2, 1), (1, 1, 1, 2), (2, 2, 2, 2)]:
            with self.subTest(mesh=mesh):
                self.assertLess(largest_difference(self.losses(mesh), one), 1e-10)


if __name__ == "__main__":
    programs.main()
