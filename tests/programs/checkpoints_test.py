"""Checkpoints survive kills, damage and full disks; new runs start from parts of them.

LONGSPAN_KILLS=1000 kills that many runs instead of a few.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import programs
from programs import ProgramTest, checkpoint, command, environment, finish, metric, parameters, start

KILLS = int(os.environ.get("LONGSPAN_KILLS", "6"))
STEPS = "--run.steps 12 --checkpoint.every 3 --checkpoint.keep 0"
MESH = "--parallel.data 2 --parallel.tensor 2"
USER, ENVIRONMENT = 2, 3


def damage(file, part: float = 0.5):
    content = bytearray(file.read_bytes())
    content[int(part * len(content))] ^= 8
    written = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))


class FallingBack(ProgramTest):
    def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(self):
        for ranks, mesh in [(1, ""), (4, MESH)]:
            words = f"{STEPS} {mesh}"
            whole = self.train(f"whole{ranks}", words, ranks)
            run = self.folder / f"run{ranks}"
            shutil.copytree(whole, run)
            damage(checkpoint(run, 12))
            result = self.run_program("train", self.training(run.name, words), ranks)
            warnings = [line for line in result.out.splitlines() if line.startswith("WARNING")]
            self.assertEqual(len(warnings), 1, result)
            self.assertIn(f"{checkpoint(run, 12)} is damaged", warnings[0])
            self.assertIn("at step 9", result.out)
            self.assertEqual(metric(run, "train/loss"), metric(whole, "train/loss"))
            self.assertEqual(parameters(checkpoint(run, 12)), parameters(checkpoint(whole, 12)))

    def test_where_none_is_whole_the_run_does_not_start_again(self):
        run = self.train("run", STEPS)
        for step in [3, 6, 9, 12]:
            damage(checkpoint(run, step))
        before = {file.name: file.read_bytes() for file in run.rglob("*.h5")}
        for ranks, mesh in [(1, ""), (2, "--parallel.data 2")]:
            result = self.run_program("train", self.training("run", f"{STEPS} {mesh}"), ranks, expected=USER)
            self.assertEqual(len(result.errors), 1, result)
            self.assertIn("is whole", result.errors[0])
            self.assertIn("run.resume", result.errors[0])
        self.assertEqual({file.name: file.read_bytes() for file in run.rglob("*.h5")}, before)

    def test_milestones_stay(self):
        run = self.train("run", "--run.steps 12 --checkpoint.every 2 --checkpoint.keep 1 --checkpoint.keep_every 4")
        self.assertEqual(sorted(file.name for file in (run / "checkpoints").iterdir()),
                         [f"step_{step:08}.h5" for step in [4, 8, 12]])


class Background(ProgramTest):
    def test_it_makes_the_same_files_and_losses_and_tells_how_long_it_took(self):
        for ranks, mesh in [(1, ""), (4, MESH)]:
            runs = {}
            for way in ["true", "false"]:
                name = f"{way}{ranks}"
                words = f"{STEPS} {mesh} --checkpoint.asynchronous {way}"
                result = self.run_program("train", self.training(name, words), ranks)
                lines = [line for line in result.out.splitlines() if "  checkpoint " in line]
                self.assertEqual(len(lines), 4, result)
                for line in lines:
                    self.assertRegex(line, r"training waited \d+\.\d+ s, written in \d+\.\d+ s \(.*/s\)")
                runs[way] = self.folder / name
            self.assertEqual(metric(runs["true"], "train/loss"), metric(runs["false"], "train/loss"))
            for step in [3, 6, 9, 12]:
                one, other = (checkpoint(runs[way], step) for way in ["true", "false"])
                self.run_program("inspect", f"{one} --verify")
                self.run_program("inspect", f"{one} --compare {other}")


    def test_a_limit_that_holds_a_step_holds_a_run_that_saves(self):
        for ranks, mesh in [(1, ""), (2, "--parallel.data 2 --parallel.zero 1")]:
            words = f"{STEPS} {mesh} --checkpoint.asynchronous"
            whole = self.train(f"whole{ranks}", f"{words} false", ranks)
            limit = int(max(metric(whole, "train/peak_bytes")))
            result = self.run_program("train", self.training(f"run{ranks}", f"{words} true --run.memory_limit {limit}"), ranks)
            self.assertEqual(result.out.count("as run.memory_limit has no room for a copy"), 3, result)  # not the last
            run = self.folder / f"run{ranks}"
            self.assertLessEqual(max(metric(run, "train/peak_bytes")), limit)
            self.assertEqual(metric(run, "train/loss"), metric(whole, "train/loss"))
            self.run_program("inspect", f"{checkpoint(run, 9)} --compare {checkpoint(whole, 9)}")


class FullDisk(ProgramTest):
    """A tmpfs of a few hundred KiB in a mount namespace of its own."""

    def on_small_disk(self, size: str, words: str, ranks: int, kept, beside: str = "") -> subprocess.CompletedProcess:
        """A run on the disk, whose folder is copied to `kept` before the disk goes away; `beside` is a shell command."""
        disk = self.folder / "disk"
        disk.mkdir(exist_ok=True)
        train = " ".join(command("train", self.training("run", f"{words} --run.directory {disk}"), ranks))
        namespace = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c"]
        mount = f"mount -t tmpfs -o size={size} tmpfs {disk}"
        if subprocess.run([*namespace, mount], capture_output=True).returncode != 0:
            self.skipTest("no file system can be mounted here")
        out = self.folder / "out.txt"
        script = f"{mount} || exit 1; {beside} {train} > {out}; code=$?; cp -r {disk}/run {kept}; cat {out}; exit $code"
        return subprocess.run([*namespace, script], capture_output=True, text=True, env=environment(), timeout=60)

    def sizes(self, words: str) -> dict[str, int]:
        """KiB of disks that hold one checkpoint of a run: the second does not fit, as is known before or only seen while
        its values are written, when what is no value has been."""
        run = self.train("measured", words)
        file = checkpoint(run, 2)
        used = sum(one.stat().st_blocks * 512 for one in run.rglob("*"))
        with h5py.File(file) as opened:
            sizes = []
            opened.visititems(lambda _, item: sizes.append(item.nbytes) if isinstance(item, h5py.Dataset) else None)
        return {"known before": (used + 40_000) // 1024, "seen late": (used + (sum(sizes) + file.stat().st_size) // 2) // 1024}

    def test_a_failed_save_is_a_warning_and_leaves_the_earlier_files(self):
        common = "--checkpoint.every 2 --checkpoint.keep 1"
        for when, size in self.sizes(f"{common} --run.steps 2").items():
            for ranks, mesh in [(1, ""), (2, "--parallel.data 2")]:
                for way in ["true", "false"]:
                    words = f"--run.steps 6 {common} --checkpoint.asynchronous {way} {mesh}"
                    kept = self.folder / f"kept {when} {ranks} {way}".replace(" ", "_")
                    result = self.on_small_disk(f"{size}k", words, ranks, kept)
                    self.assertEqual(result.returncode, ENVIRONMENT, result)  # the last one is no warning
                    warnings = [line for line in result.stdout.splitlines() if line.startswith("WARNING")]
                    self.assertEqual(len(warnings), 1, result)
                    self.assertIn("no checkpoint of step 4: there is no space for", warnings[0])
                    self.assertEqual("are free" in warnings[0], when == "known before", result)
                    self.assertEqual(len(programs.ERROR.findall(result.stderr)), 1, result)
                    self.assertEqual(metric(kept, "train/step"), [1, 2, 3, 4, 5, 6])
                    self.assertEqual([file.name for file in (kept / "checkpoints").iterdir()], ["step_00000002.h5"])
                    self.run_program("inspect", f"{kept}/checkpoints/step_00000002.h5 --verify")

    def test_metrics_wait_until_there_is_space(self):
        # Something else fills the disk while the run goes on, and is removed later.
        disk, kept, log = self.folder / "disk", self.folder / "kept", self.folder / "out.txt"
        fill = (f"(until grep -q tokens/s {log}; do sleep 0.02; done; dd if=/dev/zero of={disk}/filler bs=1k status=none; "
                f"until grep -q WARNING {log}; do sleep 0.02; done; rm {disk}/filler) 2>/dev/null &")
        result = self.on_small_disk("2m", "--run.steps 700", 1, kept, fill)
        self.assertEqual(result.returncode, 0, result)
        self.assertIn("WARNING    metrics wait in memory: there is no space", result.stdout)
        self.assertIn("metrics    are written again", result.stdout)
        self.assertEqual(metric(kept, "train/step"), list(range(1, 701)))


class Killed(ProgramTest):
    """LONGSPAN_KILLS moments, shared by the meshes; after each one the run is started again as it was."""

    def test_killed_at_any_moment_a_run_ends_with_the_same_losses(self):
        chance = random.Random(7)
        words = "--run.steps 24 --checkpoint.every 1 --checkpoint.keep 2 --model.dropout 0.1"
        meshes = [(1, ""), (2, "--parallel.data 2"), (2, "--parallel.data 2 --parallel.zero 2")]
        for ranks, mesh in meshes:
            begin = time.monotonic()
            whole = self.train(f"whole{ranks}", f"{words} {mesh} --run.resume never", ranks)
            length = time.monotonic() - begin
            run, kills, writing, rounds = self.folder / f"run{ranks}", 0, 0, 0
            while kills < KILLS / len(meshes):
                rounds += 1
                shutil.rmtree(run, ignore_errors=True)  # a new run, killed until it ends or there were enough
                newest = 0
                while True:
                    process = start("train", self.training(run.name, f"{words} {mesh}"), ranks)
                    killed = False
                    if kills < KILLS / len(meshes):
                        self.wait(process, run, newest, length, chance)
                        killed = self.kill(run, chance)
                        kills += killed
                    result = finish(process)
                    self.assertNotIn("is damaged", result.out)
                    if result.code == 0:
                        break
                    self.assertTrue(killed, result)
                    writing += any(run.glob("checkpoints/*.tmp"))
                    newest = self.expect_newest(run, newest)
                self.assertEqual(metric(run, "train/step"), list(range(1, 25)))
                self.assertEqual(metric(run, "train/loss"), metric(whole, "train/loss"))
                self.assertEqual(parameters(checkpoint(run, 24)), parameters(checkpoint(whole, 24)))
            print(f"{ranks} ranks {mesh}: {kills} kills, {writing} of them while a checkpoint was written, in {rounds} runs")

    def wait(self, process, run, newest: int, length: float, chance: random.Random):
        """For any time, or until the checkpoint of one of the next steps is being written, or was."""
        if chance.random() < 0.5:
            return time.sleep(chance.uniform(0, length))
        file = checkpoint(run, newest + chance.randint(1, 4))
        while process.poll() is None and not (os.path.exists(f"{file}.tmp") or os.path.exists(file)):
            pass

    def expect_newest(self, run, before: int) -> int:
        """The step of the newest checkpoint, which is none that was there before, nor lost: the last two are there."""
        steps = sorted(int(file.stem[5:]) for file in run.glob("checkpoints/*.h5"))
        if before > 0:
            self.assertGreaterEqual(len(steps), min(2, before))
            self.assertGreaterEqual(steps[-1], before)
        for file in run.glob("checkpoints/*.h5"):
            self.run_program("inspect", f"{file} --verify")
        return steps[-1] if steps else 0

    def kill(self, run, chance: random.Random) -> bool:
        """One of a run's ranks or all of them, not their launcher; False where none is there."""
        ranks = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:  # it has ended meanwhile
                continue
            if words[0].endswith(b"longspan-train") and {str(self.folder).encode(), run.name.encode()} <= set(words):
                ranks.append(int(process.name))
        killed = False
        for rank in ranks if chance.random() < 0.5 else chance.sample(ranks, min(1, len(ranks))):
            try:
                os.kill(rank, signal.SIGKILL)
                killed = True
            except ProcessLookupError:
                pass
        return killed


class StartingFrom(ProgramTest):
    def test_chosen_parameters_of_another_run(self):
        other = self.train("other", "--run.dtype float32 --run.steps 3")
        source = checkpoint(other, 3)
        run = self.train("run", f"--run.seed 5 --run.steps 1 --optimizer.learning_rate 1e-30 "
                                f"--checkpoint.load {source} --checkpoint.load_only embedding.*,blocks.1.*")
        fresh = self.train("fresh", "--run.seed 5 --run.steps 1 --optimizer.learning_rate 1e-30")
        with h5py.File(checkpoint(run, 1)) as ours, h5py.File(source) as theirs, h5py.File(checkpoint(fresh, 1)) as new:
            for name, data in ours["model"].items():
                origin = theirs if name.startswith(("embedding.", "blocks.1.")) else new
                np.testing.assert_allclose(data[...], origin["model"][name][...], rtol=0, atol=1e-25, err_msg=name)
                self.assertEqual(data.attrs["dtype"], "float64")
        # The run has a checkpoint now: it goes on, and does not load again.
        result = self.run_program("train", self.training("run", f"--run.seed 5 --run.steps 2 --checkpoint.load {source}"))
        self.assertIn("resumed", result.out)
        self.assertNotIn("loaded", result.out)

    def test_what_does_not_fit_is_said(self):
        other = self.train("other")
        source = checkpoint(other, 4)
        for words, part in [
            ("--model.width 64", "embedding.weight is [257, 32], this configuration wants [257, 64]"),
            ("--model.width 64 --checkpoint.load_only blocks.0.*", "blocks.0.mixer_norm.weight is [32]"),
            ("--model.layers 3", "lacks /model/blocks.2."),
            ("--checkpoint.load_only head.*", "no parameter of this model is called 'head.*'"),
            (f"--run.resume {source}", "exclude each other"),
        ]:
            for ranks, mesh in [(1, ""), (2, "--parallel.tensor 2")]:
                words_all = self.training("run", f"{words} {mesh} --checkpoint.load {source}")
                result = self.run_program("train", words_all, ranks, expected=USER)
                self.assertEqual(len(result.errors), 1, result)
                self.assertIn(part, result.errors[0])
        result = self.run_program("train", self.training("run", "--checkpoint.load_only head.*"), expected=USER)
        self.assertIn("checkpoint.load", result.errors[0])


def checksum(values) -> str:
    """As docs/checkpoint_format.md has it."""
    bits = values.view(f"uint{8 * values.itemsize}").ravel().astype("uint64")
    x = bits ^ (np.arange(values.size, dtype="uint64") * np.uint64(0x9E3779B97F4A7C15))
    for shift, factor in [(30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)]:
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return f"{(x ^ (x >> np.uint64(31))).sum():016x}"


class Inspect(ProgramTest):
    def test_checksums_are_those_of_the_documentation(self):
        run = self.train("run", f"--run.dtype bfloat16 --run.steps 1 {MESH}", 4)
        with h5py.File(checkpoint(run, 1)) as file:
            datasets = []
            file.visititems(lambda name, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
            self.assertGreater(len(datasets), 80)
            for dataset in datasets:
                self.assertEqual(dataset.attrs["checksum"], checksum(dataset[...]), dataset.name)

    def test_comparison(self):
        one = checkpoint(self.train("one", "--run.steps 2"), 2)
        longer = checkpoint(self.train("longer", "--run.steps 2 --checkpoint.every 1 --checkpoint.keep 0"), 1)
        other = checkpoint(self.train("other", "--run.steps 2 --model.layers 1 --run.dtype float32"), 2)
        self.assertIn("0 differ", self.run_program("inspect", f"{one} --compare {one}").out)
        text = self.run_program("inspect", f"{one} --compare {longer}", expected=1).out
        self.assertIn("step             2 and 1", text)
        self.assertIn("/model/embedding.weight", text)
        self.assertIn("elements differ, at most by", text)
        text = self.run_program("inspect", f"{one} --compare {other}", expected=1).out
        self.assertIn(f"only in {one}", text)
        self.assertIn("float64 and float32", text)
        with h5py.File(one) as file:
            place = file["model/embedding.weight"].id.get_offset()
        content = bytearray(one.read_bytes())
        content[place + 100] ^= 1
        one.write_bytes(content)
        text = self.run_program("inspect", f"{one} --compare {longer}", expected=1).out
        self.run_program("inspect", f"{one}")  # its description is whole
        result = self.run_program("inspect", f"{one} --verify", expected=USER)
        self.assertIn("is damaged: /model/embedding.weight", result.errors[0])

    def test_what_it_cannot_do_is_said(self):
        for words in ["", "--verify", "a b", "a --compare", "export a", "import a"]:
            result = self.run_program("inspect", words, expected=USER)
            self.assertEqual(len(result.errors), 1, result)


if __name__ == "__main__":
    programs.main()
