"""A derivative rule of one's own: the square root by Newton's iteration, differentiated without going through it."""

import numpy as np

import pyad


@pyad.custom_vjp
def root(x):
    """The square root of a positive array by iteration."""
    r = x
    for _ in range(60):
        r = (r + x / r) / 2
    return r


def forward(x):
    r = root(x)
    return r, r  # the value, and what the backward rule will need


def backward(r, r_bar):
    # r² = x, hence 2 r dr = dx.
    return (r_bar / (2 * r),)


root.defvjp(forward, backward)

x = np.array([0.25, 2.0, 9.0])
gradient = pyad.grad(lambda x: np.sum(root(x)))(x)
print(f"root      {root(x)}")
print(f"gradient  {gradient}")
print(f"expected  {0.5 / np.sqrt(x)}")

# The rule is made of differentiable operations, so there are second derivatives as well.
second = pyad.grad(lambda x: np.sum(pyad.grad(lambda x: np.sum(root(x)))(x)))(x)
print(f"second    {second}")
error = np.abs(second + 0.25 * x**-1.5).max()
print(f"largest error {error:.1e}")
