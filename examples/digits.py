"""Train a multilayer perceptron on the UCI handwritten digits and save its learning curve.

The 1797 images of 8x8 pixels come with scikit-learn. Run `python examples/digits.py --help` for the options.
"""

import argparse
import sys

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from pyad import nn

WANTED_ACCURACY = 0.97


def load(seed):
    """Pixels scaled to 0..1 and classes, split into training and held-out data with equal shares of every class."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    return train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=seed)


def plot(history, accuracies, path):
    """Draw losses and held-out accuracy by epoch into a PNG file."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    epochs = np.arange(1, len(accuracies) + 1)
    left.plot(epochs, history["loss"], label="training")
    left.plot(epochs, history["validation_loss"], label="held-out")
    left.set(xlabel="epoch", ylabel="cross-entropy", yscale="log", title="Loss")
    left.legend()
    right.plot(epochs, 100 * np.array(accuracies), color="tab:green")
    right.axhline(100 * WANTED_ACCURACY, color="gray", linestyle="--", linewidth=1)
    right.set(xlabel="epoch", ylabel="%", ylim=(80, 100), title="Held-out accuracy")
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 64], help="units of the hidden layers")
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", default="learning_curve.png", help="where to save the learning curve")
    options = parser.parse_args()

    x, x_held_out, labels, labels_held_out = load(seed=0)
    rng = np.random.default_rng(options.seed)
    params = nn.init_mlp(rng, [64, *options.hidden, 10], init=nn.he_normal)
    print(f"{len(x)} images to train on, {len(x_held_out)} held out; layers {[64, *options.hidden, 10]}")

    def loss(params, x, labels):
        return nn.softmax_cross_entropy(nn.mlp(params, x, "relu"), labels)

    accuracies = []

    def after_epoch(epoch, params, history):
        accuracies.append(nn.accuracy(nn.mlp(params, x_held_out, "relu"), labels_held_out))

    history = nn.fit(
        loss,
        params,
        (x, labels),
        nn.Adam(options.learning_rate),
        epochs=options.epochs,
        batch_size=options.batch_size,
        rng=rng,
        validation=(x_held_out, labels_held_out),
        callback=after_epoch,
    )
    plot(history, accuracies, options.plot)
    print(f"training loss {history['loss'][-1]:.4f}, held-out loss {history['validation_loss'][-1]:.4f}")
    print(f"held-out accuracy {accuracies[-1]:.2%}; learning curve in {options.plot}")
    if accuracies[-1] < WANTED_ACCURACY:
        sys.exit(f"the held-out accuracy is below {WANTED_ACCURACY:.0%}")


if __name__ == "__main__":
    # The matrices are too small to gain from several threads, which would only wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        main()
