"""Charts in one look: light, for screens and paper, told apart without colour, as inline SVG or as files."""

import io
import re
from dataclasses import dataclass

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter  # noqa: E402

# Okabe and Ito's colours, which the colour-blind tell apart; then the same with dashes.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d"]
DASHES = [(), (6, 2), (2, 2), (7, 2, 2, 2)]  # in line widths
HATCHES = ["", "////", "....", "xxxx"]  # of bars, likewise
INK, SOFT, RULE = "#1a1d21", "#5b6470", "#e3e6ea"
POINTS = 600  # of a line; longer ones are drawn as the mean and the range of as many parts
SMOOTH = 40  # a running mean reaches over this fraction of a line
STEPS = [1, 2, 2.5, 5, 10]  # of tick marks
WIDE, HALF = (10.6, 3.5), (5.2, 2.6)  # inches

STYLE = {
    "font.size": 9, "font.family": "DejaVu Sans", "text.color": INK, "axes.edgecolor": "#aeb4bc",
    "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "axes.axisbelow": True, "grid.color": RULE, "grid.linewidth": 0.8, "xtick.color": "#aeb4bc",
    "ytick.color": "#aeb4bc", "xtick.labelcolor": SOFT, "ytick.labelcolor": SOFT, "axes.labelcolor": SOFT,
    "axes.unicode_minus": True, "lines.linewidth": 1.6, "lines.solid_capstyle": "round", "svg.fonttype": "none",
    "legend.frameon": False, "hatch.linewidth": 0.8,
}  # fmt: skip


def look(index):
    """Colour and dashes of the index-th line of a chart."""
    return COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]


@dataclass
class Line:
    x: np.ndarray
    y: np.ndarray
    colour: str
    dashes: tuple = ()
    smooth: bool = False  # draw the running mean of the values
    spread: bool = False  # and, faintly, the single values behind it
    points: bool = False  # few values that each count: with markers


def _parts(x, y, parts):
    """Mean x, and mean, least and greatest y, of equally long parts of a series; what is not finite is left out."""
    chunks = [chunk for chunk in np.array_split(np.arange(len(x)), parts) if np.isfinite(y[chunk]).any()]
    values = [y[chunk][np.isfinite(y[chunk])] for chunk in chunks]
    means = np.array([np.mean(x[chunk]) for chunk in chunks])
    return means, *(np.array([reduce(v) for v in values]) for reduce in (np.mean, np.min, np.max))


def running_mean(y, window):
    """Centred, over what is finite; NaN where nothing is."""
    finite = np.isfinite(y)
    kernel = np.ones(window)
    total = np.convolve(np.where(finite, y, 0.0), kernel, "same")
    number = np.convolve(finite.astype(float), kernel, "same")
    return np.where(finite, total / np.maximum(number, 1), np.nan)


def reduced(line):
    """What is drawn of a line: x, y, and the range (low, high) of the single values behind y, or None."""
    x, y = np.asarray(line.x, dtype=float), np.asarray(line.y, dtype=float)
    low = high = y
    if len(y) > POINTS and np.isfinite(y).any():
        x, y, low, high = _parts(x, y, POINTS)
    if line.smooth and len(y):
        y = running_mean(y, len(y) // SMOOTH | 1)
    return x, y, (low, high) if line.spread else None


def draw_line(axes, line):
    x, y, spread = reduced(line)
    if spread and len(line.y) > POINTS:
        axes.fill_between(x, *spread, color=line.colour, alpha=0.22, linewidth=0, zorder=1)
    elif spread:
        axes.plot(x, spread[0], color=line.colour, alpha=0.35, linewidth=0.8, zorder=1)
    few = np.isfinite(y).sum() < 30
    axes.plot(x, y, color=line.colour, dashes=line.dashes, zorder=3 if line.points else 2,
              marker="o" if line.points or few else "", markersize=4.5 if line.points else 3, markeredgewidth=0)


def _limits(lines, from_zero):
    """The range of y: all that is drawn, unless rare outliers would flatten the rest; and how many values lie above."""
    drawn = [np.concatenate([y, *(spread or ())]) for _, y, spread in map(reduced, lines)]
    values = np.concatenate(drawn) if drawn else np.array([])
    values = values[np.isfinite(values)]
    if not len(values):
        return None, 0
    low, high = values.min(), values.max()
    usual = np.quantile(values, 0.98)
    if from_zero and high > 3 * usual > 0:
        high = 1.25 * usual
    above = sum(int((np.asarray(line.y, dtype=float) > high).sum()) for line in lines if line.spread)
    margin = 0.06 * (high - min(low, 0 if from_zero else low)) or 0.1 * abs(high) or 1.0
    return (0.0 if from_zero and low >= 0 else low - margin, high + margin), above


def x_range(lines):
    """From the first to the last x of all lines with a little air; around the only one; 0 to 1 without any."""
    values = np.concatenate([np.asarray(line.x, dtype=float) for line in lines]) if lines else np.array([])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0, 1
    low, high = values.min(), values.max()
    air = 0.015 * (high - low) or max(1.0, 0.5 * abs(high))
    return low - air, high + air


def new_axes(size):
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=size)
    axes.grid(axis="x", visible=False)
    return figure, axes


def plain_ticks(axis):
    def written(value, _):
        text = re.sub(r"e([+-])0*", lambda found: "e" + found[1].strip("+"), f"{value:.10g}")
        return text.replace("-", "\N{MINUS SIGN}")

    axis.set_major_formatter(FuncFormatter(written))


def log_scale(axes, letter):
    """Makes axis "x" or "y" logarithmic, with enough labels also within one decade."""
    axis = {"x": axes.xaxis, "y": axes.yaxis}[letter]
    getattr(axes, f"set_{letter}scale")("log")
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axis.set_minor_formatter(NullFormatter())
    plain_ticks(axis)


def line_chart(lines, x_label, y_label, size=HALF, from_zero=False, log=False):
    """(SVG text, number of single values above the chart). Values that are not finite are gaps."""
    figure, axes = new_axes(size)
    with plt.rc_context(STYLE):
        for line in lines:
            draw_line(axes, line)
        limits, above = _limits(lines, from_zero)
        if log:
            log_scale(axes, "y")
        else:
            plain_ticks(axes.yaxis)
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
            if limits:
                axes.set_ylim(limits)
        axes.set_xlim(x_range(lines))
        axes.xaxis.set_major_locator(MaxNLocator(8 if size is WIDE else 5, steps=STEPS, integer=x_label == "step"))
        plain_ticks(axes.xaxis)
        if limits is None:
            axes.text(0.5, 0.5, "no finite values", transform=axes.transAxes, ha="center", color=SOFT)
            axes.set_yticks([])
        axes.set_xlabel(x_label)
        axes.set_title(y_label, loc="left", fontsize=9, color=SOFT, pad=8)
        return svg(figure), above


def grouped_bars(axes, groups, series, values):
    """Horizontal bars: values[s][g] of series s (its look is look(s)) in group g."""
    thick = 0.8 / len(series)
    for s, name in enumerate(series):
        colour, dashes = look(s)
        middle = np.arange(len(groups)) + (s - (len(series) - 1) / 2) * thick
        axes.barh(middle, values[s], height=thick * 0.88, color=colour, label=name, edgecolor="white", linewidth=0,
                  hatch=HATCHES[DASHES.index(dashes)])
    axes.set_yticks(range(len(groups)), groups)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.grid(axis="x", visible=True)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    plain_ticks(axes.xaxis)
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def bar_chart(groups, series, values, x_label, size=HALF):
    """SVG text of grouped_bars; grows in height with their number."""
    height = max(size[1], 0.7 + len(groups) * (0.12 + 0.12 * max(3, len(series))))
    figure, axes = new_axes((size[0], height))
    with plt.rc_context(STYLE):
        grouped_bars(axes, groups, series, values)
        axes.set_xlabel(x_label)
        return svg(figure)


def svg(figure):
    """The figure as an <svg> element for a page: its text stays text, its ids do not clash with other figures'."""
    svg.made += 1
    with plt.rc_context({**STYLE, "svg.hashsalt": f"longspan-{svg.made}"}):
        figure.tight_layout(pad=0.6)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    body = text.getvalue()
    body = body[body.index("<svg"):]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    return re.sub(r'^<svg[^>]*?(viewBox="[^"]*")[^>]*>', r'<svg xmlns="http://www.w3.org/2000/svg" '
                  r'xmlns:xlink="http://www.w3.org/1999/xlink" \1>', body, flags=re.DOTALL)


svg.made = 0
