"""longspan-claims from end to end, in a few steps of every model: tables, page and pictures."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import programs
from programs import ProgramTest, environment

ROOT = Path(__file__).resolve().parents[2]
SHORT = (
    "--run.steps 2 --data.batch 2 --validation.every 1 --validation.sequences 2 --optimizer.warmup 1 "
    "--model.width 32 --model.heads 2 --data.sequence_length 64 --run.resume never"
)


class Claims(ProgramTest):
    @classmethod
    def setUpClass(cls):
        pass  # no corpus

    def claims(self, *words):
        script = [sys.executable, str(ROOT / "analysis" / "longspan-claims"), *words]
        return subprocess.run(script, capture_output=True, text=True, env=environment(), cwd=self.folder)

    def test_every_model_of_a_claim_has_its_row_and_a_picture_is_drawn(self):
        page = self.folder / "claims.md"
        shutil.copy(ROOT / "docs" / "claims.md", page)
        for claim, models in [("recall", 8), ("parity", 8)]:
            study = ["measure", str(self.folder / "study"), "--only", claim, "--seeds", "1", "--extra", SHORT]
            done = self.claims(*study, "--apps", str(programs.APPS), "--configs", str(ROOT / "configs" / "claims"))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.count("trained"), models)
            drawn = self.claims("draw", str(self.folder / "study"), "--page", str(page), "--pictures", str(self.folder))
            self.assertEqual(drawn.returncode, 0, drawn.stderr)
            table = re.search(rf"<!-- {claim} -->\n(.*?)<!-- end -->", page.read_text(), re.S).group(1)
            self.assertEqual(len(table.strip().splitlines()), models + 2, table)
            self.assertGreater((self.folder / f"claim-{claim}.png").stat().st_size, 10_000)

    def test_missing_programs_are_named(self):
        done = self.claims("measure", str(self.folder / "study"), "--apps", str(self.folder), "--configs", "nowhere")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^error: there is no program .*longspan-train; build it, or name the folder")


if __name__ == "__main__":
    programs.main()
