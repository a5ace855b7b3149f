"""The same command gives the same bits."""

import programs
from programs import ProgramTest, checkpoint, metric, parameters


class Deterministic(ProgramTest):
    def check(self, words: str, ranks: int):
        one = self.train("one", words, ranks)
        two = self.train("two", words, ranks)
        for name in ["train/loss", "train/grad_norm", "validation/loss"]:
            self.assertEqual(metric(one, name), metric(two, name), name)
        self.assertEqual(len(metric(one, "train/loss")), 4)
        self.assertEqual(parameters(checkpoint(one, 4)), parameters(checkpoint(two, 4)))

    def test_one_rank_repeats_its_bits(self):
        self.check("--model.dropout 0.1 --run.dtype float32", 1)

    def test_four_ranks_repeat_their_bits(self):
        self.check("--model.dropout 0.1 --run.dtype float32 --parallel.data 2 --parallel.sequence 2", 4)

    def test_another_seed_gives_another_loss(self):
        one = self.train("one", "--run.seed 1")
        two = self.train("two", "--run.seed 2")
        self.assertNotEqual(metric(one, "train/loss"), metric(two, "train/loss"))


if __name__ == "__main__":
    programs.main()
