"""Draws a run's loss against tokens: longspan-plot-loss RUN --out loss.png [--unigram NATS]"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from .read_run import load_run  # noqa: E402


def plot_loss(run, out, unigram=None):
    figure, axes = plt.subplots(figsize=(8, 4.5), dpi=120)
    train, validation = run.train, run.validation
    axes.plot(train["tokens"] / 1e6, train["loss"], color="tab:blue", alpha=0.3, linewidth=0.8)
    window = max(1, len(train) // 50)
    smooth = train["loss"].rolling(window, min_periods=1, center=True).mean()
    axes.plot(train["tokens"] / 1e6, smooth, color="tab:blue", label=f"training (mean of {window} steps)")
    if len(validation):
        tokens = train.set_index("step")["tokens"].reindex(validation["step"]) / 1e6
        axes.plot(tokens, validation["loss"], "o-", color="tab:orange", markersize=4, label="validation")
    if unigram is not None:
        axes.axhline(unigram, color="gray", linestyle="--", linewidth=1, label=f"unigram entropy {unigram:.3f}")
    axes.set_xlabel("tokens (millions)")
    axes.set_ylabel("loss (nats a token)")
    axes.set_title(f"{run.path.name}   mesh {run.provenance.get('mesh', '?')}", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run's folder or its metrics.h5")
    parser.add_argument("--out", default="loss.png", help="picture to write (.png, .svg, .pdf)")
    parser.add_argument("--unigram", type=float, help="draw the corpus' unigram entropy, nats a token")
    arguments = parser.parse_args()
    plot_loss(load_run(arguments.run), arguments.out, arguments.unigram)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
