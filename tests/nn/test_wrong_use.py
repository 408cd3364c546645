"""What fit and the optimisers say of arguments that are something else."""

import numpy as np
import pytest

from pyad import nn

X = np.linspace(-1.0, 1.0, 8)


def loss(params, x, y):
    return np.mean((params["w"] * x - y) ** 2)


def fit(**changed):
    given = {
        "loss": loss,
        "params": {"w": np.zeros(1)},
        "data": (X, 2.0 * X),
        "optimizer": nn.SGD(0.1),
        "epochs": 2,
        "batch_size": 4,
        "rng": np.random.default_rng(0),
        "progress": False,
    }
    return nn.fit(**(given | changed))


class Frame:
    """Of a data frame what matters here."""

    def to_numpy(self):
        return X


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"rng": 0}, "rng must be a numpy.random.Generator, got 0; pass np.random.default_rng"),
        ({"rng": None}, "rng must be a numpy.random.Generator, got None"),
        ({"optimizer": "adam"}, "optimizer must be nn.SGD.*got 'adam'"),
        ({"optimizer": nn.Adam}, "optimizer is the class Adam itself.*nn.Adam"),
        ({"data": Frame()}, r"data\[0\] must be a NumPy array, got a Frame; pass its values, .to_numpy"),
        ({"data": (X, Frame())}, r"data\[1\] must be a NumPy array"),
        ({"data": ((x, x) for x in X)}, "data is a generator.*tuple of arrays"),
        ({"validation": (Frame(), X)}, r"validation\[0\] must be"),
    ],
)
def test_arguments_of_fit(changed, words):
    with pytest.raises(TypeError, match=words):
        fit(**changed)


@pytest.mark.parametrize("kind", [nn.Adam, nn.SGD])
def test_parameters_are_not_for_the_optimiser(kind):
    with pytest.raises(TypeError, match=r"learning_rate must be a number, got a dict.*settings alone"):
        kind({"w": np.zeros(1)}, 1e-2)
    with pytest.raises(TypeError, match="learning_rate must be a number, got a str"):
        kind("0.1")
    assert kind(np.float32(0.5)).learning_rate == 0.5


def test_arguments_of_minibatches():
    with pytest.raises(TypeError, match="minibatches: rng must be"):
        nn.minibatches(0, X, 2)
    with pytest.raises(TypeError, match="arrays must be a NumPy array, got a Frame"):
        nn.minibatches(None, Frame(), 2)


# ---- a gradient that is not finite of a loss that is ----


def rooted(params, x, y):
    """The root has an infinite slope at 0."""
    return np.mean(np.sqrt(params["layers"][0]["w"] - params["layers"][0]["w"]) * x) + np.sum(params["b"] ** 2)


class Own:
    """An optimiser of one's own."""

    def init(self, params):
        return None

    def update(self, params, grads, state):
        raise AssertionError("is not to be called")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("optimizer", [nn.SGD(0.1), nn.Adam(0.1), nn.SGD(0.1, momentum=0.9), Own()])
def test_a_step_is_not_taken(optimizer, compile):
    params = {"layers": [{"w": np.ones(1)}], "b": np.ones(2)}
    with pytest.raises(FloatingPointError, match=r"params\['layers'\]\[0\]\['w'\] has 1 of 1.*epoch 0, batch 0"):
        fit(loss=rooted, params=params, optimizer=optimizer, compile=compile)
    np.testing.assert_array_equal(params["b"], 1.0)
    np.testing.assert_array_equal(params["layers"][0]["w"], 1.0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_later_step_is_not_taken():
    """The parameters are those of the step before; what has been compiled finds it too."""
    rows = np.arange(1.0, 9.0)
    rows[-1] = 0.0
    steps = []

    def f(params, x):
        return np.mean(np.sqrt(params["w"] * x)) + 0.0

    class Order:
        def permutation(self, n):
            return np.arange(n)

    params = {"w": np.ones(1)}
    with pytest.raises(FloatingPointError, match=r"params\['w'\].*epoch 0, batch 3"):
        nn.fit(f, params, (rows,), nn.SGD(0.01), 1, 2, Order(), progress=False, callback=lambda *a: steps.append(a))
    assert np.isfinite(params["w"]).all()
    assert params["w"] < 1.0


def test_finite_gradients_whose_sum_is_not():
    params = {"w": np.full(2, 0.1, np.float32)}
    history = nn.fit(
        lambda params, x: np.sum(params["w"] * np.float32(3e38)),
        params,
        (np.ones(4, np.float32),),
        nn.SGD(1e-40),
        2,
        2,
        np.random.default_rng(0),
        progress=False,
    )
    assert np.isfinite(history["loss"]).all()
