"""load_run gives a run's rows, units and state: whole, resumed, live, killed, empty and damaged."""

import math
import os
import shutil
import unittest
import unittest.mock

import h5py
import numpy as np
from made_runs import append, create, make_run, train_rows, validation_rows
from support import AnalysisTest

from longspan_analysis import UserError, load_run, load_runs
from longspan_analysis.hdf5 import read_file


class Runs(AnalysisTest):
    def run_with(self, **words):
        return load_run(make_run(self.folder / "run", **words))

    def test_rows_units_and_provenance_are_the_files(self):
        rows = train_rows(40)
        run = self.run_with(train=rows, validation=validation_rows([20, 40]))
        for name, values in rows.items():
            np.testing.assert_array_equal(run.train[name], values, name)
        self.assertEqual(run.validation["step"].tolist(), [20, 40])
        self.assertEqual(run.train["step"].dtype, np.int64)
        self.assertEqual((run.units["loss"], run.units["comm_bytes/data"]), ("nat/token", "byte"))
        self.assertEqual((run.provenance["host"], run.provenance["format_version"]), ("node7", 1))
        self.assertEqual(run.config["optimizer.learning_rate"], "0.001")
        self.assertEqual((run.name, run.steps_done, run.steps_planned, run.state), ("run", 40, 40, "finished"))

    def test_the_file_itself_may_be_named(self):
        self.assertEqual(load_run(make_run(self.folder / "run") / "metrics.h5").name, "run")

    def test_step_seconds_are_tokens_over_throughput(self):
        rows = train_rows(3, tokens_a_step=1000)
        rows["tokens_per_second"] = np.array([500.0, 250.0, 0.0])
        self.assertEqual(self.run_with(train=rows).train["step_seconds"][:2].tolist(), [2.0, 4.0])
        self.assertTrue(math.isnan(load_run(self.folder / "run").train["step_seconds"][2]))

    def test_a_run_resumed_elsewhere_has_no_duration_of_its_first_step(self):
        run = self.run_with(train=train_rows(5, first=7), planned=11)
        self.assertTrue(math.isnan(run.train["step_seconds"][0]))
        self.assertTrue((run.train["step_seconds"][1:] > 0).all())
        self.assertEqual((run.steps_done, run.state), (11, "finished"))

    def test_a_run_that_ended_early_is_stopped(self):
        self.assertEqual(self.run_with(planned=100).state, "stopped")

    def as_on_disk(self):
        """What another process would find: the writer of these tests is in this one, whose HDF5 shares open files."""
        shutil.copytree(self.folder / "run", self.folder / "seen", dirs_exist_ok=True)
        return self.folder / "seen"

    def test_rows_of_a_live_run_are_whole_and_grow(self):
        rows = train_rows(6)
        with create(self.folder / "run", planned=6, train=rows) as file:
            self.assertEqual(load_run(self.as_on_disk()).steps_done, 0)
            append(file, "train", {name: values[:4] for name, values in rows.items()})
            run = load_run(self.as_on_disk())
            self.assertEqual((run.steps_done, run.state), (4, "running"))
            # A row whose step is not written yet is no row.
            append(file, "train", {name: values[4:] for name, values in rows.items() if name != "step"})
            self.assertEqual(len(load_run(self.as_on_disk()).train), 4)
            append(file, "train", {"step": rows["step"][4:]})
            self.assertEqual(len(load_run(self.as_on_disk()).train), 6)
        self.assertEqual(load_run(self.as_on_disk()).state, "finished")

    def test_a_run_that_ends_while_it_is_read_is_still_running(self):
        rows = train_rows(6)
        with create(self.folder / "run", planned=6, train=rows) as file:
            append(file, "train", {name: values[:4] for name, values in rows.items()})
            seen, whole = self.as_on_disk(), self.folder / "run/metrics.h5"

            def read_then_end(path, kind, read):
                found = read_file(path, kind, read)
                append(file, "train", {name: values[4:] for name, values in rows.items()})
                file.close()
                shutil.copy(whole, path)
                return found

            with unittest.mock.patch("longspan_analysis.runs.read_file", read_then_end):
                self.assertEqual(load_run(seen).state, "running")
        self.assertEqual(load_run(seen).state, "finished")

    def test_a_run_without_news_is_silent(self):
        with create(self.folder / "run", planned=9) as file:
            append(file, "train", train_rows(3))
            killed = self.as_on_disk()
        os.utime(killed / "metrics.h5", (1, 1))
        self.assertEqual(load_run(killed).state, "silent")

    def test_names_tell_runs_apart(self):
        paths = [make_run(self.folder / name) for name in ["a/run", "b/run", "b/other"]]
        self.assertEqual([run.name for run in load_runs(paths)], ["a/run", "b/run", "b/other"])
        self.assertEqual([run.name for run in load_runs(paths[1:])], ["run", "other"])

    def check_error(self, path, *saying):
        with self.assertRaises(UserError) as caught:
            load_run(path)
        for words in saying:
            self.assertIn(words, str(caught.exception))

    def test_what_is_no_run_gets_a_sentence(self):
        self.check_error(self.folder / "nowhere", "nowhere does not exist", "name a run's folder")
        (self.folder / "empty").mkdir()
        self.check_error(self.folder / "empty", "empty has no metrics.h5")
        (self.folder / "empty/metrics.h5").write_text("step,loss\n1,2\n")
        self.check_error(self.folder / "empty", "is no metrics file", "no HDF5 file")

    def test_another_hdf5_file_is_no_run(self):
        with h5py.File(self.folder / "other.h5", "w") as file:
            file["tokens"] = [1, 2]
        self.check_error(self.folder / "other.h5", "has no group /train")
        with h5py.File(self.folder / "other.h5", "w") as file:
            file["train/step"] = [1, 2]
        self.check_error(self.folder / "other.h5", "/train has no column loss")

    def test_a_damaged_file_is_said_to_be_damaged(self):
        file = make_run(self.folder / "run", train_rows(2000)) / "metrics.h5"
        whole = file.read_bytes()
        for size in [100, len(whole) // 2, len(whole) - 100]:
            file.write_bytes(whole[:size])
            with self.subTest(size=size):
                self.check_error(file, "cut short or damaged")

    def test_a_live_file_that_is_cut_short_is_not_waited_for(self):
        file = self.folder / "run/metrics.h5"
        with create(self.folder / "run", planned=2000) as opened:
            append(opened, "train", train_rows(2000))
            part = file.read_bytes()[:20000]
        file.write_bytes(part)
        self.check_error(file, "cut short or damaged", "not read within")

    def test_the_same_run_twice_is_refused(self):
        path = make_run(self.folder / "run")
        with self.assertRaisesRegex(UserError, "named twice"):
            load_runs([path, path / "metrics.h5"])


if __name__ == "__main__":
    unittest.main(argv=[__file__, "--durations", "3"])
