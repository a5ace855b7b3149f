"""Draws a run's loss against tokens."""

import argparse

from .errors import run_program, written
from .figures import SOFT, STYLE, Line, draw_line, look, new_axes, plain_ticks, plt
from .quantities import axis_unit
from .runs import load_run


def plot_loss(run, out, unigram=None):
    """Writes a picture; `unigram` (nats a token) is drawn as what counting tokens alone reaches."""
    divisor, x_label = axis_unit("token", run.train["tokens"].max())
    with plt.rc_context(STYLE):
        figure, axes = new_axes((8, 4.2))
        draw_line(axes, Line(run.train["tokens"] / divisor, run.train["loss"], *look(0), smooth=True, spread=True))
        named = [(axes.lines[-1], "training (running mean)")]
        if len(run.validation):
            draw_line(axes, Line(run.at_validations("tokens") / divisor, run.validation["loss"], *look(1), points=True))
            named.append((axes.lines[-1], "validation"))
        if unigram is not None:
            dashed = axes.axhline(unigram, color=SOFT, linestyle="--", linewidth=1)
            named.append((dashed, f"unigram entropy {unigram:.3f}"))
        axes.legend(*zip(*named))
        axes.set_xlabel(x_label)
        heading = f"{run.name}, mesh {run.provenance.get('mesh', '?')}: loss, nats a token"
        axes.set_title(heading, loc="left", fontsize=9)
        plain_ticks(axes.xaxis)
        written(out, lambda path: figure.savefig(path, dpi=120, bbox_inches="tight"))
        plt.close(figure)


def main():
    parser = argparse.ArgumentParser(prog="longspan-plot-loss", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder or its metrics.h5")
    parser.add_argument("-o", "--output", default="loss.png", help="picture to write (.png, .svg, .pdf)")
    parser.add_argument("--unigram", type=float, help="draw the corpus' unigram entropy, nats a token")
    arguments = parser.parse_args()
    plot_loss(load_run(arguments.run), arguments.output, arguments.unigram)
    print(f"wrote {arguments.output}")


def cli():
    return run_program(main)


if __name__ == "__main__":
    raise SystemExit(cli())
