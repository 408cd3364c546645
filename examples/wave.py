"""Shape a pond so that its waves spell a word: the gradient of a simulation by its 9164 initial heights.

The wave equation is stepped in place, as NumPy code does it. `pyad.compile` records all steps and their gradient once,
and replays them in C for each iteration of gradient descent.
"""

import matplotlib
import numpy as np

import pyad
import pyad.numpy as pnp

ROWS, COLUMNS, STEPS = 60, 160, 90

GLYPHS = {
    "p": ("....", "###.", "#..#", "#..#", "###.", "#...", "#..."),
    "y": ("....", "#..#", "#..#", "#..#", ".###", "...#", "###."),
    "a": ("....", ".##.", "...#", ".###", "#..#", ".###", "...."),
    "d": ("...#", "...#", ".###", "#..#", "#..#", ".###", "...."),
}


def written(word):
    """A word as heights of the inner points, 1 where there is ink."""
    rows = ["..".join(GLYPHS[letter][k] for letter in word) for k in range(7)]
    squares = np.kron(np.array([[float(c == "#") for c in row] for row in rows]), np.ones((5, 5)))
    rest = np.subtract((ROWS - 2, COLUMNS - 2), squares.shape)
    return np.pad(squares, [(n // 2, n - n // 2) for n in rest])


def waves(initial, steps):
    """The heights of the inner points after some steps of the wave equation from rest; the edge is held at zero."""
    before, now = pnp.zeros((ROWS, COLUMNS)), pnp.zeros((ROWS, COLUMNS))
    before[1:-1, 1:-1] = now[1:-1, 1:-1] = initial
    for _ in range(steps):
        around = now[:-2, 1:-1] + now[2:, 1:-1] + now[1:-1, :-2] + now[1:-1, 2:]
        before[1:-1, 1:-1] = now[1:-1, 1:-1] + 0.25 * around - before[1:-1, 1:-1]
        before, now = now, before
    return now[1:-1, 1:-1]


def plot(initial, path):
    """Draw the pond at the start, halfway and at the end into a PNG file."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 3, figsize=(10.5, 1.7), layout="constrained")
    for panel, steps in zip(panels, (0, STEPS // 2, STEPS), strict=True):
        panel.imshow(waves(initial, steps), cmap="Blues_r", vmin=-0.6, vmax=1.0)
        panel.set_title(f"after {steps} steps" if steps else "found by gradient descent", fontsize=10)
        panel.axis("off")
    figure.savefig(path, dpi=80)


def main():
    target = written("pyad")

    @pyad.compile
    @pyad.value_and_grad
    def loss(initial):
        return np.sum((waves(initial, STEPS) - target) ** 2)

    initial, velocity = np.zeros(target.shape), np.zeros(target.shape)
    for iteration in range(101):
        value, gradient = loss(initial)
        if iteration % 20 == 0:
            print(f"iteration {iteration:3}: squared error {value:.1f}")
        velocity = 0.8 * velocity - 0.15 * gradient
        initial = initial + velocity
    plot(initial, "waves.png")
    print(f"recorded once, {loss.program.report()['recorded']} operations; picture in waves.png")


if __name__ == "__main__":
    main()
