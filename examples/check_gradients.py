"""Checking derivatives: a right rule passes, and a wrong one is found and pointed at."""

import numpy as np

import pyad
from pyad.testing import check_grads

x = np.array([0.5, -1.0, 2.0])

# Both modes to the second order, for any mix of arrays and containers.
check_grads(lambda p: np.sum(np.sin(p["a"]) * p["b"]), ({"a": x, "b": x**2},), order=2)
print("sin(a) * b passes")


@pyad.custom_vjp
def cube(x):
    return x**3


# The derivative of x³ is 3 x², not 2 x².
cube.defvjp(lambda x: (x**3, x), lambda x, out_bar: (2 * x**2 * out_bar,))

try:
    check_grads(cube, (x,), order=1, modes=("rev",))
except AssertionError as error:
    print(f"the wrong cube is caught:\n{error}")
