"""Draws the columns of result files, or prints them as a Markdown table."""

import argparse
from pathlib import Path

import pandas as pd

from .errors import UserError, run_program, written
from .figures import STYLE, grouped_bars, log_scale, look, new_axes, plain_ticks, plt
from .tables import load_tables, markdown


def _series(table, by):
    """[(label, rows)] in the order in which the values of `by` appear; one without a label if it is None."""
    if by is None:
        return [("", table.frame)]
    return [(str(value), table.frame[table.frame[by] == value]) for value in table.frame[by].unique()]


def plot_table(table, out, x, y, by=None, log=""):
    """Writes column y against x, a line for each value of `by`, to a picture (.svg, .png, .pdf).

    Text in x makes bars instead. Rows with the same x are drawn as their median with the range behind it. `log` names
    the logarithmic axes: "", "x", "y" or "xy".
    """
    table.check_columns([name for name in (x, y, by) if name])
    if not pd.api.types.is_numeric_dtype(table.frame[y]):
        raise UserError(f"column {y} of {table.path} holds text; draw a column of numbers")
    with plt.rc_context(STYLE):
        figure, axes = new_axes((6.4, 4.0))
        if pd.api.types.is_numeric_dtype(table.frame[x]):
            _lines(axes, table, x, y, by, log)
        else:
            _bars(axes, table, x, y, by)
        if by:
            axes.legend(title=table.heading(by), alignment="left", loc="upper left", bbox_to_anchor=(1.01, 1.0))
        written(out, lambda path: figure.savefig(path, dpi=160, bbox_inches="tight"))
        plt.close(figure)


def _lines(axes, table, x, y, by, log):
    for i, (label, rows) in enumerate(_series(table, by)):
        colour, dashes = look(i)
        groups = rows.groupby(x)[y]
        middle, low, high = groups.median(), groups.min(), groups.max()
        axes.fill_between(middle.index, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(middle.index, middle, color=colour, dashes=dashes, marker="o", markersize=4, label=label)
    for letter, axis in [("x", axes.xaxis), ("y", axes.yaxis)]:
        if letter in log:
            log_scale(axes, letter)
        else:
            plain_ticks(axis)
    axes.set_xlabel(table.heading(x))
    axes.set_title(table.heading(y), loc="left", fontsize=9, color=STYLE["axes.labelcolor"], pad=8)


def _bars(axes, table, x, y, by):
    places = list(table.frame[x].unique())
    series = _series(table, by)
    values = [rows.groupby(x)[y].median().reindex(places).to_numpy(dtype=float) for _, rows in series]
    grouped_bars(axes, places, [label for label, _ in series], values)
    axes.set_xlabel(table.heading(y))


def main():
    parser = argparse.ArgumentParser(prog="longspan-plot", description=__doc__)
    parser.add_argument("files", metavar="RESULTS.h5", nargs="+",
                        help="HDF5 files with a group of equally long columns; the rows of several are taken together")
    parser.add_argument("--group", default="results", help="the group (default: results)")
    parser.add_argument("--markdown", action="store_true", help="print the table instead of drawing")
    parser.add_argument("--columns", metavar="A,B,...", help="of the Markdown table (default: all)")
    parser.add_argument("--x", metavar="COLUMN", help="numbers make lines, text makes bars")
    parser.add_argument("--y", metavar="COLUMN")
    parser.add_argument("--by", metavar="COLUMN", help="a line, or a row of bars, for each of its values")
    parser.add_argument("--log", default="", choices=["x", "y", "xy"], help="logarithmic axes, of lines")
    parser.add_argument("-o", "--output", default="plot.svg", help="picture: .svg, .png or .pdf (default: plot.svg)")
    arguments = parser.parse_args()
    if not arguments.markdown and not (arguments.x and arguments.y):
        parser.error("name --x and --y, or --markdown")
    table = load_tables(arguments.files, arguments.group)
    if arguments.markdown:
        print(markdown(table, arguments.columns.split(",") if arguments.columns else None), end="")
        return
    if Path(arguments.output).suffix not in (".svg", ".png", ".pdf"):
        raise UserError(f"{arguments.output} is no picture to write; end it in .svg, .png or .pdf")
    plot_table(table, arguments.output, arguments.x, arguments.y, arguments.by, arguments.log)
    print(f"wrote {arguments.output}")


def cli():
    return run_program(main)


if __name__ == "__main__":
    raise SystemExit(cli())
