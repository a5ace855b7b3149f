"""Follows a run in the terminal: step, losses, throughput, time left. Ends when the run ends; Ctrl-C stops watching."""

import argparse
import re
import shutil
import sys
import time

import numpy as np

from .errors import run_program
from .quantities import duration, quantity
from .runs import load_run, metrics_file

BARS, PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.-=*#"
RECENT = 50  # steps that say how fast the run goes
PERIOD = 2.0  # seconds between looks
WIDTH = 40  # of a sparkline


def sparkline(values, width, bars=BARS, low=None):
    """The finite values as `width` bars or fewer, each the mean of its part; a part without any is blank. The lowest
    bar is `low`, or the least mean."""
    values = np.asarray(values, dtype=float)
    parts = [part[np.isfinite(part)] for part in np.array_split(values, min(width, len(values)))] if len(values) else []
    means = np.array([part.mean() if len(part) else np.nan for part in parts])
    if not np.isfinite(means).any():
        return " " * len(means)
    low = np.nanmin(means) if low is None else low
    heights = (means - low) / ((np.nanmax(means) - low) or 1) * (len(bars) - 1)
    return "".join(" " if np.isnan(height) else bars[round(height)] for height in heights)


def seconds_left(run):
    """From the pace of the last steps, validations and checkpoints included; None where it cannot be known."""
    recent = run.train.tail(RECENT + 1)
    steps = recent["step"].iloc[-1] - recent["step"].iloc[0] if len(recent) > 1 else 0
    left = run.steps_planned - run.steps_done
    if run.state != "running" or steps <= 0 or left <= 0:
        return None
    return left * (recent["seconds"].iloc[-1] - recent["seconds"].iloc[0]) / steps


def state_words(run):
    if run.state == "silent":
        return f"no new step for {duration(run.age)}: killed, or in a long step"
    if run.state == "stopped":
        return f"stopped after {run.steps_done} of {run.steps_planned} steps"
    return run.state


def facts(run):
    """{name: words} of the run's last step."""
    planned = f"/{run.steps_planned}" if run.steps_planned else ""
    if run.train.empty:
        return {"step": f"0{planned}"}
    last = run.train.iloc[-1]
    found = {"step": f"{run.steps_done}{planned}", "loss": f"{last['loss']:.4f}"}
    if run.config.get("data.task", "none") != "none":
        found["accuracy"] = f"{100 * last['accuracy']:.1f}%"
    if len(run.validation):
        final = run.validation.iloc[-1]
        found["validation"] = f"{final['loss']:.4f} at step {final['step']:.0f}"
    found["throughput"] = quantity(last["tokens_per_second"], "token/s")
    found["elapsed"] = duration(last["seconds"])
    left = seconds_left(run)
    if left is not None:
        found["left"] = duration(left)
    return found


def plain(run, bars):
    """One line: for logs, pipes and --once."""
    words = "  ".join(f"{name} {value}" for name, value in facts(run).items())
    return f"{run.name}  {state_words(run)}  {words}  {sparkline(run.train['loss'], 20, bars)}".rstrip()


def block(run, bars, columns):
    """Several lines: for a terminal of so many columns."""
    drawn = {"loss": sparkline(run.train["loss"], WIDTH, bars),
             "throughput": sparkline(run.train["tokens_per_second"], WIDTH, bars, low=0)}
    if run.steps_planned:
        done = round(WIDTH * min(1.0, run.steps_done / run.steps_planned))
        drawn["step"] = bars[-1] * done + bars[0] * (WIDTH - done)
    lines = [f"{run.name}  {state_words(run)}  {run.provenance.get('mesh', '')}".rstrip()]
    lines += [f"  {name:<12}{value:<22}{drawn.get(name, '')}".rstrip() for name, value in facts(run).items()]
    return [line[: columns - 1] for line in lines]


class Screen:
    """Rewrites its lines in place on a terminal; elsewhere writes a line where something is new."""

    def __init__(self, out):
        self.out, self.terminal, self.height, self.last = out, out.isatty(), 0, None
        try:
            BARS.encode(out.encoding or "ascii")
            self.bars = BARS
        except UnicodeEncodeError:
            self.bars = PLAIN_BARS

    def show(self, run):
        if self.terminal:
            self._rewrite(block(run, self.bars, shutil.get_terminal_size().columns))
        elif (run.steps_done, run.state) != self.last:
            self.last = (run.steps_done, run.state)
            print(plain(run, self.bars), file=self.out, flush=True)

    def say(self, text):
        if self.terminal:
            self._rewrite([text[: shutil.get_terminal_size().columns - 1]])
        elif text != self.last:
            self.last = text
            print(text, file=self.out, flush=True)

    def _rewrite(self, lines):
        back = f"\033[{self.height}A" if self.height else ""
        print(back + "\033[J" + "\n".join(lines), file=self.out, flush=True)
        self.height = len(lines)


def follow(path, screen, period):
    file = metrics_file(path)
    while True:
        if not file.exists():
            screen.say(f"waiting for {file}")
        else:
            run = load_run(path)
            screen.show(run)
            if not run.writing:
                return
        time.sleep(period)


def positive(text):
    if not re.fullmatch(r"\d*\.?\d+", text) or float(text) <= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no positive number of seconds")
    return float(text)


def main():
    parser = argparse.ArgumentParser(prog="longspan-watch", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder or its metrics.h5; it need not be there yet")
    parser.add_argument("--once", action="store_true", help="print the present state in one line and end")
    parser.add_argument("--period", type=positive, default=PERIOD, metavar="SECONDS",
                        help=f"time between looks at the run (default: {PERIOD:g})")
    arguments = parser.parse_args()
    screen = Screen(sys.stdout)
    if arguments.once:
        print(plain(load_run(arguments.run), screen.bars))
    else:
        follow(arguments.run, screen, arguments.period)


def cli():
    return run_program(main)


if __name__ == "__main__":
    raise SystemExit(cli())
