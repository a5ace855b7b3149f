"""The charts of a report: which there are follows from the columns that the runs have."""

import numpy as np

from . import page
from .figures import HALF, SMOOTH, WIDE, Line, bar_chart, line_chart, look
from .quantities import axis_unit, quantity

TITLES = {
    "tokens_per_second": "Throughput", "step_seconds": "Step time", "grad_norm": "Gradient norm",
    "learning_rate": "Learning rate", "peak_bytes": "Peak memory of the fullest rank",
    "skipped": "Skipped updates",
    "comm_bytes": "Communication by axis", "comm_seconds": "Time in communication by axis",
    "memory_bytes": "Memory by category",
}  # fmt: skip
FROM_ZERO = {"accuracy", "tokens_per_second", "step_seconds", "peak_bytes", "learning_rate"}
AXES = {"step", "tokens", "seconds", "loss"}  # of charts, or drawn by loss_panels
ORDER = ["accuracy", "tokens_per_second", "step_seconds", "grad_norm", "learning_rate", "peak_bytes"]  # then any other column
GROUPS = ["data", "tensor", "pipeline", "sequence", "stage", "replicas", "positions", "model", "ends", "world"]
STEADY = {"learning_rate", "peak_bytes"}  # need no mean
RARE = {"skipped"}  # drawn where it is not 0 throughout
VALIDATION = look(1)[0]


def title(column):
    return TITLES.get(column, column.replace("_", " ").capitalize())


def finite(values):
    values = np.asarray(values, dtype=float)
    return values[np.isfinite(values)]


def _largest(arrays):
    return max((finite(values).max() for values in arrays if len(finite(values))), default=0.0)


def _unfinite_note(runs, arrays):
    notes = []
    for run, values in zip(runs, arrays):
        bad = np.flatnonzero(~np.isfinite(np.asarray(values, dtype=float)))
        if len(bad):
            where = f"{run.name}: " if len(runs) > 1 else ""
            notes.append(f"{where}{len(bad)} of {len(values)} values are not finite, the first at step "
                         f"{run.train['step'].iloc[bad[0]]}.")
    return notes


def _story(runs, arrays, unit):
    """What a chart shows, in words."""
    told = []
    for run, values in zip(runs, arrays):
        values = finite(values)
        told.append(f"{run.name}: " + (f"from {quantity(values[0], unit)} to {quantity(values[-1], unit)}, between "
                                       f"{quantity(values.min(), unit)} and {quantity(values.max(), unit)}"
                                       if len(values) else "no values"))
    return "; ".join(told)


def loss_panels(runs):
    """Training and validation loss against tokens and against time."""
    unit = runs[0].units.get("loss", "1")
    single = len(runs) == 1
    charts = []
    for against, heading in [("tokens", "Loss"), ("seconds", "Loss against time")]:
        divisor, x_label = axis_unit(runs[0].units.get(against, "1"), _largest([run.train[against] for run in runs]))
        lines = []
        for i, run in enumerate(runs):
            colour, dashes = look(i)
            lines.append(Line(run.train[against] / divisor, run.train["loss"], colour, dashes, smooth=True,
                              spread=single))
            if len(run.validation):
                lines.append(Line(run.at_validations(against) / divisor, run.validation["loss"],
                                  VALIDATION if single else colour, dashes, points=True))
        wide = against == "tokens"
        picture, _ = line_chart(lines, x_label, axis_unit(unit, 1)[1], WIDE if wide else HALF)
        validated = [run for run in runs if len(run.validation)]
        alt = f"{heading}, training. {_story(runs, [run.train['loss'] for run in runs], unit)}"
        if validated:
            alt += f". Validation. {_story(validated, [run.validation['loss'] for run in validated], unit)}"
        notes = _unfinite_note(runs, [run.train["loss"] for run in runs]) if wide else []
        if not validated and wide:
            notes.append("No validation so far.")
        if not single and wide:
            notes.append("Lines: training, running means." + (" With dots: validation." if validated else ""))
        key = ""
        if single and wide:
            smoothed = len(runs[0].train) >= 2 * SMOOTH
            entries = [("training" + (", running mean (faint: single steps)" if smoothed else ""), page.swatch(*look(0)))]
            if validated:
                entries.append(("validation", page.swatch(VALIDATION, (), "points")))
            key = page.legend(entries)
        charts.append(page.figure(heading, picture, alt, " ".join(notes), wide, key))
    return charts


def column_panel(runs, column):
    """One quantity of every step, of those runs that have it."""
    having = [(look(i), run) for i, run in enumerate(runs) if column in run.train]
    arrays = [run.train[column].to_numpy(dtype=float) for _, run in having]
    runs = [run for _, run in having]
    unit = runs[0].units[column]
    divisor, y_label = axis_unit(unit, _largest(arrays))
    noisy = column not in STEADY
    lines = [Line(run.train["step"], values / divisor, *style, smooth=noisy, spread=noisy and len(having) == 1)
             for (style, run), values in zip(having, arrays)]
    everything = np.concatenate([finite(values) for values in arrays])
    log = column == "grad_norm" and 0 < everything.min(initial=np.inf) and \
        everything.max(initial=0) > 100 * np.median(everything)
    picture, above = line_chart(lines, "step", y_label, HALF, column in FROM_ZERO, log)
    notes = _unfinite_note(runs, arrays)
    if above:
        notes.append(f"{above} {'value lies' if above == 1 else 'values lie'} above the chart, the largest at "
                     f"{quantity(everything.max(), unit)}.")
    return page.figure(title(column), picture, f"{title(column)}. {_story(runs, arrays, unit)}", " ".join(notes))


def family_means(runs, family):
    """(members, values[run][member]): means over the steps; a run without a member has 0, members that are 0 in all
    runs are left out."""
    members = sorted({m for run in runs for m in run.families().get(family, [])},
                     key=lambda m: (GROUPS.index(m) if m in GROUPS else len(GROUPS), m))
    means = {}
    for member in members:
        column = f"{family}/{member}"
        means[member] = [float(np.mean(finite(run.train[column]))) if column in run.train and
                         len(finite(run.train[column])) else 0.0 for run in runs]
    members = [member for member in members if any(means[member])]
    return members, [[means[member][r] for member in members] for r in range(len(runs))]


def family_panel(runs, family):
    """Bars of a family's means a step, or "" where all are 0."""
    members, values = family_means(runs, family)
    if not members:
        return ""
    unit = next(run.units[f"{family}/{members[0]}"] for run in runs if f"{family}/{members[0]}" in run.units)
    divisor, name = axis_unit(unit, _largest(values))
    picture = bar_chart(members, [run.name for run in runs], [[v / divisor for v in row] for row in values],
                        f"{name} a step, mean")
    told = "; ".join(f"{run.name}: " + ", ".join(f"{m} {quantity(v, unit)}" for m, v in zip(members, row))
                     for run, row in zip(runs, values))
    return page.figure(title(family), picture, f"{title(family)}, mean a step. {told}")


def panels(runs):
    """All charts as HTML figures, the loss first."""
    found = dict.fromkeys(c for run in runs for c in run.train.columns
                          if "/" not in c and c not in AXES and (c not in RARE or run.train[c].any()))
    columns = [c for c in ORDER if c in found] + [c for c in found if c not in ORDER]
    families = dict.fromkeys(f for run in runs for f in run.families())
    charts = loss_panels(runs)
    charts += [column_panel(runs, column) for column in columns]
    charts += [family_panel(runs, family) for family in families]
    return [chart for chart in charts if chart]
