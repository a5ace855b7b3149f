"""Makes one self-contained HTML page of a run, or of several compared: charts, tables, configuration, provenance."""

import argparse
import math
import re
from pathlib import Path

import pandas as pd

from . import page
from .errors import run_program, written
from .figures import look
from .panels import family_means, finite, panels, title
from .quantities import column as cells_of
from .quantities import quantity, split
from .runs import load_runs

STATES = {"running": "running", "silent": "no new step for long: killed, or in a long step", "finished": "finished",
          "stopped": "stopped early"}  # fmt: skip
PROVENANCE = {"version": "Version", "git_hash": "Git hash", "mesh": "Mesh", "host": "Host", "start_time": "Start (UTC)"}
VALIDATIONS = 24  # rows of the table; more are thinned out


def summary(run):
    """What a run came to, as numbers: {column: value}; None where there is none. Units: SUMMARY."""
    train, validation = run.train, run.validation
    best = validation.loc[validation["loss"].idxmin()] if len(finite(validation["loss"])) else {}
    last = train.iloc[-1] if len(train) else {}
    accuracy = finite(validation.get("accuracy", []))

    def over_steps(column, reduce):
        return reduce(train[column]) if column in train and len(finite(train[column])) else None

    return {
        "steps": run.steps_done,
        "final_loss": last.get("loss"),
        "best_validation_loss": best.get("loss"),
        "best_validation_step": best.get("step"),
        "best_validation_accuracy": accuracy.max() if len(accuracy) else None,
        "median_tokens_per_second": over_steps("tokens_per_second", pd.Series.median),
        "median_step_seconds": over_steps("step_seconds", pd.Series.median),
        "peak_bytes": over_steps("peak_bytes", pd.Series.max),
        "tokens": last.get("tokens", 0),
        "seconds": last.get("seconds", 0.0),
    }


SUMMARY = {  # heading and unit of the columns
    "final_loss": ("Final loss", "nat/token"), "best_validation_loss": ("Best validation", "nat/token"),
    "best_validation_step": ("at step", "1"), "best_validation_accuracy": ("Best accuracy", "1"),
    "median_tokens_per_second": ("Median throughput", "token/s"),
    "median_step_seconds": ("Median step", "s"), "peak_bytes": ("Peak memory", "byte"), "tokens": ("Tokens", "token"),
    "seconds": ("Time", "s"),
}  # fmt: skip


def progress(run):
    planned = f" of {run.steps_planned}" if run.steps_planned else ""
    return f"{run.steps_done}{planned}"


def first_step_note(run):
    """Says where a run began that is not all in the file."""
    first = run.train["step"].iloc[0] if len(run.train) else 1
    return f"resumed elsewhere: its first row is step {first}" if first > 1 else ""


def headline(run):
    facts, units = summary(run), {name: unit for name, (_, unit) in SUMMARY.items()}

    def show(name):
        return split(facts[name], units[name])

    at = facts["best_validation_step"]
    return page.tiles([
        ("Steps", (str(run.steps_done), f"of {run.steps_planned}" if run.steps_planned else ""), STATES[run.state]),
        ("Final loss", show("final_loss"), "training"),
        ("Best validation loss", show("best_validation_loss"), "no validation" if at is None else f"at step {at:.0f}"),
        ("Throughput", show("median_tokens_per_second"), f"median; {quantity(facts['median_step_seconds'], 's')} a step"),
        ("Peak memory", show("peak_bytes"), "of the fullest rank"),
        ("Time", show("seconds"), quantity(facts["tokens"], "token")),
    ])  # fmt: skip


def comparison(runs):
    facts = [summary(run) for run in runs]
    frame = pd.DataFrame({"State": [STATES[run.state].split(":")[0] for run in runs],
                          "Steps": [progress(run) for run in runs]})
    for column, (heading, unit) in SUMMARY.items():
        heading, cells = cells_of(heading, [fact[column] for fact in facts], unit)
        frame[heading] = cells
    marks = [page.swatch(*look(i)) for i in range(len(runs))]
    return page.table(_by_name(frame, runs), text_columns=["State"], marks=marks)


def _by_name(frame, runs):
    frame.index = pd.Index([run.name for run in runs], name="Run")
    return frame


def differences(runs):
    """The keys in which the runs' configurations differ, and those that all share: (DataFrame, {})."""
    keys = list(dict.fromkeys(key for run in runs for key in run.config))
    values = {key: [run.config.get(key, "\N{EN DASH}") for run in runs] for key in keys}
    shared = {key: row[0] for key, row in values.items() if len(set(row)) == 1}
    differing = {key: row for key, row in values.items() if key not in shared and key != "run.name"}
    return _by_name(pd.DataFrame(differing, index=range(len(runs))), runs), shared


def differences_table(runs, frame):
    if not len(frame.columns):
        return page.element("p", "The configurations differ in nothing but the name.")
    if len(frame.columns) > len(runs):  # the longer side goes down the page
        frame = frame.T
        frame.index.name = "Key"
    return page.table(frame, text_columns=list(frame.columns))


def provenance(runs):
    frame = pd.DataFrame({heading: [str(run.provenance.get(key, "\N{EN DASH}")) for run in runs]
                          for key, heading in PROVENANCE.items()})
    frame["Folder"] = [str(run.path) for run in runs]
    frame = _by_name(frame, runs)
    if len(runs) == 1:
        frame = frame.T.set_axis([""], axis="columns").rename_axis("")
    return page.table(frame, text_columns=list(frame.columns))


def validation_table(runs):
    """Of one run all its validation columns that hold a number, of several the losses side by side."""
    validations = [run.validation.drop_duplicates("step", keep="last").set_index("step") for run in runs]
    if len(runs) == 1:
        numbers = [name for name in validations[0].columns if validations[0][name].notna().any()]
        names = sorted(numbers, key=lambda name: name != "loss")
        columns = {title(name): (validations[0][name], runs[0].units[name]) for name in names}
    else:
        columns = {run.name: (rows["loss"], run.units["loss"]) for run, rows in zip(runs, validations)}
    steps = sorted(set().union(*(rows.index for rows in validations)))
    if not steps:
        return ""
    every = math.ceil(len(steps) / VALIDATIONS)
    shown = steps[::-every][::-1]
    cells = {}
    for name, (values, unit) in columns.items():
        heading, cells_of_name = cells_of(name, [values.get(step) for step in shown], unit)
        cells[name if len(runs) > 1 else heading] = cells_of_name
    unit = f" loss ({runs[0].units['loss']})" if len(runs) > 1 else ""
    caption = f"Validation{unit}" + (f", {len(shown)} of {len(steps)} steps" if every > 1 else "")
    return page.table(pd.DataFrame(cells, index=pd.Index(shown, name="Step")), caption)


def family_table(runs, family):
    """Means a step of a family's members; with one run also totals and, where its log has them, calls and waiting."""
    members, values = family_means(runs, family)
    if not members:
        return ""
    unit = next(run.units[f"{family}/{m}"] for run in runs for m in members if f"{family}/{m}" in run.units)
    index = pd.Index(members, name=title(family))
    if len(runs) > 1:
        frame = pd.DataFrame([[quantity(v, unit) for v in row] for row in values], columns=members)
        return page.table(_by_name(frame, runs), f"{title(family)}: mean a step")
    run, means = runs[0], pd.Series(values[0], index=index)
    frame = pd.DataFrame({"Mean a step": [quantity(v, unit) for v in means],
                          "Share": [f"{v:.1%}" for v in means / means.sum()]}, index=index)
    note = ""
    if family == "comm_bytes":
        frame["Sum of the steps"] = [quantity(run.train[f"{family}/{m}"].sum(), unit) for m in members]
        account = run.communication_summary().reindex(members)
        if account["seconds"].notna().any():
            account = account.astype(object).where(account.notna(), None)
            frame["Calls of rank 0"] = [quantity(v, "1") for v in account["calls"]]
            frame["Seconds of rank 0"] = [quantity(v, "s") for v in account["seconds"]]
            note = "Calls and seconds (in messages or waiting) are those of rank 0 since the last start."
    return page.table(frame, note)


def build(runs):
    """The page as text."""
    single = len(runs) == 1
    heading = runs[0].name if single else f"{len(runs)} runs compared"
    if single:
        run = runs[0]
        words = [STATES[run.state], f"mesh {run.provenance.get('mesh', 'unknown')}", first_step_note(run)]
        subtitle = " \N{MIDDLE DOT} ".join(word for word in words if word)
        opening, differing, shared = headline(run), "", run.config
    else:
        subtitle = "Colours and dashes mean the same run in every chart."
        frame, shared = differences(runs)
        opening = page.section("Comparison", comparison(runs))
        differing = page.section("What differs", differences_table(runs, frame))
    key = "" if single else page.legend([(run.name, page.swatch(*look(i))) for i, run in enumerate(runs)])
    families = dict.fromkeys(family for run in runs for family in run.families())
    return page.document(heading, subtitle, "\n".join([
        opening,
        differing,
        page.section("Charts", key + page.element("div", "\n".join(panels(runs)), class_="charts")),
        page.section("Tables", *(family_table(runs, family) for family in families), validation_table(runs)),
        page.section("Provenance", provenance(runs)),
        page.section("Configuration" if single else "Configuration that all share", page.settings(shared)),
    ]))  # fmt: skip


def export(runs, folder):
    """NAME.train.csv and NAME.validation.csv of each run, with units in the headings, and summary.csv."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def headed(frame, units):
        return frame.rename(columns=lambda c: f"{c} [{units[c]}]" if units.get(c, "1") != "1" else c)

    for run in runs:
        name = re.sub(r"[^\w.-]", "_", run.name)
        headed(run.train, run.units).to_csv(folder / f"{name}.train.csv", index=False)
        headed(run.validation, run.units).to_csv(folder / f"{name}.validation.csv", index=False)
    facts = pd.DataFrame([{"run": run.name, "state": run.state, **summary(run)} for run in runs])
    headed(facts, {column: unit for column, (_, unit) in SUMMARY.items()}).to_csv(folder / "summary.csv", index=False)


def main():
    parser = argparse.ArgumentParser(prog="longspan-report", description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its metrics.h5")
    parser.add_argument("-o", "--output", metavar="FILE.html",
                        help="page to write (default: report.html, in the run's folder if it is one run)")
    parser.add_argument("--csv", metavar="FOLDER", help="also write every table there: training, validation, summary")
    arguments = parser.parse_args()
    runs = load_runs(arguments.runs)
    output = Path(arguments.output) if arguments.output else (runs[0].path if len(runs) == 1 else Path()) / "report.html"
    text = build(runs)
    written(output, lambda path: path.write_text(text, encoding="utf-8"))
    print(f"wrote {output}")
    if arguments.csv:
        written(arguments.csv, lambda path: export(runs, path))
        print(f"wrote {arguments.csv}")


def cli():
    return run_program(main)


if __name__ == "__main__":
    raise SystemExit(cli())
