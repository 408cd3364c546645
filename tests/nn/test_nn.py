"""Layers, losses, initialisers, optimisers and training."""

import builtins
import copy
import sys

import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad import nn, tree
from pyad._compile.compiled import Compiled
from pyad.testing import check_grads


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def sigma(z):
    return 1 / (1 + np.exp(-z))


# ---- layers and activations


VALUES = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": sigma,
    "softplus": lambda z: np.log1p(np.exp(z)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations_have_their_value_dtype_and_derivatives(name, dtype):
    z = np.linspace(-3, 3, 10).astype(dtype)
    f = getattr(nn, name)
    out = f(z)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, VALUES[name](z.astype(np.float64)), rtol=1e-5, atol=1e-6)
    check_grads(f, (z,), order=2)


def test_activations_do_not_overflow():
    z = np.array([-1000.0, 1000.0])
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(nn.sigmoid(z), [0, 1], atol=1e-300)
        np.testing.assert_allclose(nn.softplus(z), [0, 1000], atol=1e-300)
        np.testing.assert_allclose(pyad.grad(lambda z: pnp.sum(nn.softplus(z)))(z), [0, 1], atol=1e-300)
        np.testing.assert_allclose(pyad.grad(lambda z: pnp.sum(nn.sigmoid(z)))(z), [0, 0], atol=1e-300)


def test_relu_at_zero_has_derivative_zero():
    assert pyad.grad(lambda z: pnp.sum(nn.relu(z)))(np.zeros(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3)])
def test_dense_is_an_affine_map_of_the_last_axis(rng, shape):
    params = {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    x = rng.normal(size=shape)
    np.testing.assert_allclose(nn.dense(params, x), x @ params["w"] + params["b"], rtol=1e-14)
    check_grads(nn.dense, (params, x), order=2)


def test_dense_explains_shapes_that_do_not_fit(rng):
    params = nn.init_dense(rng, 3, 2)
    with pytest.raises(ValueError):
        nn.dense(params, np.ones((4, 5), np.float32))
    with pytest.raises(ValueError, match=r"\(4, 5\).*\(3, 2\)"):
        pyad.grad(lambda params: pnp.sum(nn.dense(params, np.ones((4, 5), np.float32))))(params)


def test_mlp_composes_layers(rng):
    params = nn.init_mlp(rng, [3, 5, 4, 2], dtype=np.float64)
    x = rng.normal(size=(6, 3))
    hidden = [nn.dense(params[0], x)]
    hidden.append(nn.dense(params[1], np.tanh(hidden[0])))
    last = nn.dense(params[2], np.tanh(hidden[1]))
    np.testing.assert_allclose(nn.mlp(params, x, "tanh"), last, rtol=1e-14)
    np.testing.assert_allclose(nn.mlp(params, x, ["tanh", pnp.tanh, "sigmoid"]), sigma(last), rtol=1e-13)
    np.testing.assert_allclose(nn.mlp(params, x, np.tanh), last, rtol=1e-14)
    relu = nn.dense(params[2], np.maximum(nn.dense(params[1], np.maximum(nn.dense(params[0], x), 0)), 0))
    np.testing.assert_allclose(nn.mlp(params, x), relu, rtol=1e-14)
    check_grads(lambda params, x: nn.mlp(params, x, "tanh"), (params, x), order=2)


def test_mlp_of_one_layer_and_of_many(rng):
    params = nn.init_mlp(rng, [3, 2])
    x = rng.normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(nn.mlp(params, x, "relu"), nn.dense(params[0], x))
    deep = nn.init_mlp(rng, [3] * 2001)
    assert np.isfinite(nn.mlp(deep, x, "tanh")).all()
    gradients = pyad.grad(lambda params: pnp.sum(nn.mlp(params, x, "tanh")))(deep)
    assert tree.flatten(gradients)[1] == tree.flatten(deep)[1]


def test_float32_stays_float32(rng):
    params = nn.init_mlp(rng, [3, 4, 2])
    x = rng.normal(size=(6, 3)).astype(np.float32)
    for activation in VALUES:
        value, gradients = pyad.value_and_grad(
            lambda params, activation=activation: nn.mse(nn.mlp(params, x, activation), np.zeros((6, 2), np.float32))
        )(params)
        assert value.dtype == np.float32
        assert {leaf.dtype for leaf in tree.leaves(gradients)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("activations", "error", "message"),
    [
        ("rely", ValueError, "unknown activation 'rely'; known are identity, relu, sigmoid, softplus, tanh"),
        (["tanh"], ValueError, "1 activations were given for 2 layers"),
        (["tanh", 3], TypeError, "a name or a function, got int"),
    ],
)
def test_wrong_activations_are_explained(rng, activations, error, message):
    with pytest.raises(error, match=message):
        nn.mlp(nn.init_mlp(rng, [3, 4, 2]), np.ones((1, 3), np.float32), activations)


# ---- initialisers


@pytest.mark.parametrize(
    ("init", "variance"),
    [
        (nn.glorot_uniform, 2 / 700),
        (nn.glorot_normal, 2 / 700),
        (nn.he_uniform, 2 / 400),
        (nn.he_normal, 2 / 400),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initialisers_have_their_variance_and_dtype(init, variance, dtype):
    w = init(np.random.default_rng(0), (400, 300), dtype)
    assert w.shape == (400, 300)
    assert w.dtype == dtype
    assert abs(w.mean()) < 4 * np.sqrt(variance / w.size)
    assert w.var() == pytest.approx(variance, rel=0.02)
    bound = np.abs(w).max() / np.sqrt(variance)
    if init in (nn.glorot_uniform, nn.he_uniform):
        assert 1.7 < bound <= np.sqrt(3) * (1 + 1e-6)
    else:
        assert 3.5 < bound < 6.5


def test_initialisers_are_reproducible_and_know_receptive_fields():
    first, second = (nn.glorot_normal(np.random.default_rng(3), (4, 5)) for _ in range(2))
    assert (first == second).all()
    w = nn.he_normal(np.random.default_rng(3), (5, 5, 30, 100))
    assert w.var() == pytest.approx(2 / (25 * 30), rel=0.03)


def test_init_mlp_shapes_and_zero_biases(rng):
    params = nn.init_mlp(rng, [64, 32, 10], init=nn.he_normal, dtype=np.float64)
    assert [(p["w"].shape, p["b"].shape) for p in params] == [((64, 32), (32,)), ((32, 10), (10,))]
    assert all(not p["b"].any() and p["b"].dtype == np.float64 == p["w"].dtype for p in params)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda rng: nn.init_mlp(rng, [3]), ValueError, "at least the number of inputs and of outputs"),
        (lambda rng: nn.init_mlp(0, [3, 2]), TypeError, "numpy.random.Generator"),
        (lambda rng: nn.init_mlp(rng, [3, 2], dtype=np.int64), TypeError, "float32 or float64, got int64"),
        (lambda rng: nn.he_normal(rng, (3,)), ValueError, "at least two axes"),
        (lambda rng: nn.init_mlp(rng, [3, 0, 2]), ValueError, "at least one input and one output"),
    ],
)
def test_bad_input_of_initialisers_is_explained(rng, call, error, message):
    with pytest.raises(error, match=message):
        call(rng)


# ---- losses


def test_squared_errors(rng):
    y, t = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    assert nn.squared_error(y, t) == pytest.approx(((y - t) ** 2).sum())
    assert nn.mse(y, t) == pytest.approx(((y - t) ** 2).mean())
    np.testing.assert_allclose(pyad.grad(nn.squared_error)(y, t), 2 * (y - t), rtol=1e-14)
    np.testing.assert_allclose(pyad.grad(nn.mse, argnums=1)(y, t), -2 * (y - t) / 10, rtol=1e-14)
    check_grads(nn.mse, (y, t), order=2)


@pytest.mark.parametrize("loss", [nn.squared_error, nn.mse])
def test_squared_errors_do_not_broadcast(loss):
    with pytest.raises(ValueError, match=rf"{loss.__name__} needs .* one shape, got \(4, 1\) and \(4,\)"):
        loss(np.ones((4, 1)), np.ones(4))
    with pytest.raises(ValueError, match="one shape"):
        pyad.grad(loss)(np.ones((4, 1)), np.ones(4))


def reference_cross_entropy(logits, probabilities):
    shifted = logits - logits.max(-1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return -(probabilities * log_softmax).sum(-1).mean()


@pytest.mark.parametrize("shape", [(5, 3), (3,), (2, 4, 3)])
@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float64])
def test_cross_entropy_of_classes_and_of_probabilities(rng, shape, kind):
    logits = rng.normal(size=shape) * 3
    labels = rng.integers(0, 3, size=shape[:-1])
    one_hot = np.eye(3)[labels]
    given = one_hot if kind is np.float64 else labels.astype(kind)
    value, gradient = pyad.value_and_grad(nn.softmax_cross_entropy)(logits, given)
    assert value == pytest.approx(reference_cross_entropy(logits, one_hot), rel=1e-13)
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(gradient, (softmax - one_hot) / max(1, labels.size), rtol=1e-10, atol=1e-12)
    check_grads(lambda logits: nn.softmax_cross_entropy(logits, given), (logits,), order=2)


def test_cross_entropy_of_soft_targets_differentiates_in_both(rng):
    logits, targets = rng.normal(size=(4, 3)), rng.dirichlet(np.ones(3), size=4)
    assert nn.softmax_cross_entropy(logits, targets) == pytest.approx(reference_cross_entropy(logits, targets))
    check_grads(nn.softmax_cross_entropy, (logits, targets), order=2)


def test_cross_entropy_stays_finite_for_huge_logits():
    logits = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0]])
    value, gradient = pyad.value_and_grad(nn.softmax_cross_entropy)(logits, np.array([0, 0]))
    assert value == pytest.approx(1e4)
    np.testing.assert_allclose(gradient, [[0, 0, 0], [-0.5, 0.5, 0]], atol=1e-12)


def test_cross_entropy_in_float32_is_float32():
    logits = np.zeros((2, 4), np.float32)
    value, gradient = pyad.value_and_grad(nn.softmax_cross_entropy)(logits, np.array([1, 2]))
    assert value.dtype == gradient.dtype == np.float32


@pytest.mark.parametrize(
    ("logits", "labels", "error", "message"),
    [
        (np.zeros((4, 3)), np.zeros(5, int), ValueError, r"\(batch,\) = \(4,\).*\(4, 3\), got \(5,\)"),
        (np.zeros((4, 3)), np.zeros((4, 1), int), ValueError, r"integer labels must have .* got \(4, 1\)"),
        (np.zeros((4, 3)), np.zeros((4, 2)), ValueError, r"probabilities .* \(4, 3\), got \(4, 2\)"),
        (np.zeros((4, 3)), np.array([0, 1, 2, 3]), IndexError, "label 3 is not one of the 3 classes, 0 to 2"),
        (np.zeros((4, 3)), np.array([0, 1, 2, -1]), IndexError, "label -1 is not one of the 3 classes"),
        (np.zeros((4, 3)), np.zeros(4, bool), TypeError, "dtype bool"),
        (np.float64(1), np.int64(0), ValueError, "got a scalar"),
    ],
)
def test_bad_labels_are_explained(logits, labels, error, message):
    with pytest.raises(error, match=message):
        nn.softmax_cross_entropy(logits, labels)
    with pytest.raises(error, match=message):
        pyad.grad(nn.softmax_cross_entropy)(logits, labels)


def test_accuracy(rng):
    logits = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.4]])
    assert nn.accuracy(logits, np.array([1, 1, 1])) == pytest.approx(2 / 3)
    assert nn.accuracy(logits, np.eye(2)[[1, 0, 0]]) == pytest.approx(2 / 3)
    assert isinstance(nn.accuracy(logits, np.array([1, 0, 1])), float)
    with pytest.raises(ValueError, match=r"labels of shape \(3,\), got \(2,\)"):
        nn.accuracy(logits, np.array([1, 1]))


# ---- optimisers


def quadratic(rng, dtype):
    params = {"w": rng.normal(size=(3, 2)).astype(dtype), "rest": [rng.normal(size=4).astype(dtype), None]}
    grads = [tree.map(lambda p: rng.normal(size=p.shape).astype(dtype), params) for _ in range(6)]
    return params, grads


def run(optimizer, params, grads):
    state = optimizer.init(params)
    for g in grads:
        state = optimizer.update(params, g, state)
    return state


def reference(kind, p, grads, dtype):
    """The update formulas written out, in float64."""
    p = p.astype(np.float64)
    v, m, s = 0.0, 0.0, 0.0
    for step, g in enumerate(grads, start=1):
        g = g.astype(np.float64)
        if kind == "sgd":
            p = p - 0.1 * g
        elif kind == "momentum":
            v = 0.9 * v + g
            p = p - 0.1 * v
        elif kind == "nesterov":
            v = 0.9 * v + g
            p = p - 0.1 * (g + 0.9 * v)
        else:
            m = 0.8 * m + 0.2 * g
            s = 0.95 * s + 0.05 * g * g
            p = p - 0.1 * (m / (1 - 0.8**step)) / (np.sqrt(s / (1 - 0.95**step)) + 1e-3)
    return p.astype(dtype)


OPTIMISERS = {
    "sgd": nn.SGD(0.1),
    "momentum": nn.SGD(0.1, momentum=0.9),
    "nesterov": nn.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": nn.Adam(0.1, b1=0.8, b2=0.95, eps=1e-3),
}


@pytest.mark.parametrize("kind", OPTIMISERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_optimisers_follow_their_formulas_in_place(rng, kind, dtype):
    params, grads = quadratic(rng, dtype)
    before, given = copy.deepcopy(params), copy.deepcopy(grads)
    arrays = tree.leaves(params)
    run(OPTIMISERS[kind], params, grads)
    assert all(a is b for a, b in zip(tree.leaves(params), arrays, strict=True))
    for index, array in enumerate(arrays):
        expected = reference(kind, tree.leaves(before)[index], [tree.leaves(g)[index] for g in given], dtype)
        assert array.dtype == dtype
        np.testing.assert_allclose(array, expected, rtol=2e-5 if dtype is np.float32 else 1e-12)
    for g, copied in zip(grads, given, strict=True):
        for left, right in zip(tree.leaves(g), tree.leaves(copied), strict=True):
            assert (left == right).all(), "gradients must be left as they are"


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_optimisers_take_views_and_strided_parameters(rng, kind):
    base = rng.normal(size=(6, 8))
    plain = {"w": np.ascontiguousarray(base[::2, 1::3]), "t": np.ascontiguousarray(base[1::2, :3].T)}
    strided = {"w": base[::2, 1::3], "t": base[1::2, :3].T}
    grads = [tree.map(lambda p: rng.normal(size=p.shape), plain) for _ in range(3)]
    run(OPTIMISERS[kind], plain, grads)
    run(OPTIMISERS[kind], strided, grads)
    for name in plain:
        np.testing.assert_allclose(strided[name], plain[name], rtol=1e-14)


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_optimisers_take_scalar_parameters_and_the_keys_in_any_order(kind):
    params = {"a": np.array(2.0), "b": np.array([1.0])}
    run(OPTIMISERS[kind], params, [{"b": np.array([0.0]), "a": np.float64(1.0)}])
    assert params["a"] < 2
    assert params["b"] == 1


@pytest.mark.parametrize("kind", OPTIMISERS)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda p, g: p.__setitem__(1, [1.0]), ValueError, r"the tree of gradients .* at \[1\]"),
        (lambda p, g: p.__setitem__(1, 1.0), TypeError, r"parameter \[1\] is a float"),
        (lambda p, g: p.__setitem__(1, np.ones(2, int)), TypeError, r"parameter \[1\] has dtype int64"),
        (lambda p, g: p[1].setflags(write=False), ValueError, r"parameter \[1\] is read-only"),
        (lambda p, g: g.__setitem__(1, np.ones(3)), ValueError, r"has shape \(2,\), but its gradient has shape \(3,\)"),
        (lambda p, g: g.__setitem__(1, np.ones(2, "f4")), TypeError, "its gradient has dtype float32"),
        (lambda p, g: g.__setitem__(1, 1.0), TypeError, r"gradient of parameter \[1\] is a float"),
        (lambda p, g: g.append(np.ones(2)), ValueError, "a list of length 2, but there is a list of length 3"),
    ],
)
def test_bad_parameters_are_refused_before_anything_changes(kind, change, error, message):
    params, grads = [np.ones(2), np.ones(2)], [np.ones(2), np.ones(2)]
    optimizer = OPTIMISERS[kind]
    state = optimizer.init(params)
    saved = copy.deepcopy(state)
    change(params, grads)
    with pytest.raises(error, match=message):
        optimizer.update(params, grads, state)
    assert (params[0] == 1).all()
    for left, right in zip(tree.leaves(state), tree.leaves(saved), strict=True):
        assert np.all(left == right)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.SGD(0), "learning_rate must be"),
        (lambda: nn.SGD(float("nan")), "learning_rate must be"),
        (lambda: nn.SGD(0.1, momentum=1.0), "momentum must be at least 0 and below 1, got 1.0"),
        (lambda: nn.SGD(0.1, nesterov=True), "nesterov needs a momentum"),
        (lambda: nn.Adam(b1=1), "b1 must be"),
        (lambda: nn.Adam(b2=-0.1), "b2 must be"),
        (lambda: nn.Adam(eps=0), "eps must be"),
    ],
)
def test_bad_settings_are_explained(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_settings_can_be_read_back():
    assert repr(nn.SGD(0.1)) == "SGD(learning_rate=0.1, momentum=0.0, nesterov=False)"
    assert repr(nn.Adam()) == "Adam(learning_rate=0.001, b1=0.9, b2=0.999, eps=1e-08)"


# ---- mini-batches and fit


def test_minibatches_go_through_all_rows_once_and_together(rng):
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    batches = list(nn.minibatches(rng, (x, y), 4))
    assert [len(yb) for _, yb in batches] == [4, 4, 2]
    assert sorted(np.concatenate([yb for _, yb in batches]).tolist()) == list(range(10))
    assert all((xb == x[yb]).all() for xb, yb in batches)
    assert np.concatenate([yb for _, yb in batches]).tolist() != list(range(10))
    assert [len(b) for b in nn.minibatches(rng, y, 4, drop_last=True)] == [4, 4]
    assert [b.tolist() for b in nn.minibatches(None, np.arange(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [len(b["y"]) for b in nn.minibatches(rng, {"x": x, "y": y}, 100)] == [10]


def test_minibatches_are_copies(rng):
    x = np.arange(6.0)
    for batch in nn.minibatches(None, x, 3):
        batch += 100
    assert x.max() == 5


@pytest.mark.parametrize(
    ("arrays", "size", "message"),
    [
        ((np.ones((4, 2)), np.ones(5)), 2, r"same number of rows, got the shapes \[0\]: \(4, 2\), \[1\]: \(5,\)"),
        ((np.ones(4),), 0, "batch_size must be at least 1, got 0"),
        ((), 1, "no arrays"),
        ((np.float64(3),), 1, "at least one axis"),
        (np.ones((0, 2)), 1, "no rows"),
    ],
)
def test_bad_batches_are_explained_at_once(rng, arrays, size, message):
    with pytest.raises(ValueError, match=message):
        nn.minibatches(rng, arrays, size)


def line_loss(params, x, y):
    return nn.mse(x * params["slope"] + params["offset"], y)


def line():
    x = np.linspace(-1, 1, 21)
    return {"slope": np.zeros(1), "offset": np.zeros(1)}, (x, 3 * x - 1)


def test_fit_recovers_a_line_and_reports_the_losses(rng):
    params, data = line()
    seen = []
    history = nn.fit(
        line_loss,
        params,
        data,
        nn.SGD(0.3),
        60,
        5,
        rng,
        validation=data,
        progress=False,
        callback=lambda epoch, p, h: seen.append((epoch, p is params, len(h["loss"]))),
    )
    np.testing.assert_allclose([params["slope"][0], params["offset"][0]], [3, -1], rtol=1e-6)
    assert set(history) == {"loss", "validation_loss"}
    assert len(history["loss"]) == len(history["validation_loss"]) == 60
    assert all(type(value) is float for values in history.values() for value in values)
    assert history["loss"][0] > history["loss"][5] > history["loss"][-1]
    assert seen == [(epoch, True, epoch + 1) for epoch in range(60)]


def test_fit_weighs_batches_by_their_rows():
    params = {"p": np.zeros(1)}
    x = np.array([1.0, 1.0, 1.0, 9.0])
    history = nn.fit(
        lambda params, x: pnp.mean(x) + 0.0 * pnp.sum(params["p"]),
        params,
        (x,),
        nn.SGD(0.1),
        1,
        3,
        np.random.default_rng(0),
        progress=False,
    )
    assert history["loss"] == [pytest.approx(3.0)]


def test_fit_is_reproducible():
    runs = []
    for _ in range(2):
        params, data = line()
        runs.append(nn.fit(line_loss, params, data, nn.Adam(0.1), 3, 4, np.random.default_rng(5), progress=False))
    assert runs[0] == runs[1]


def test_a_callback_may_end_the_training(rng):
    params, data = line()
    history = nn.fit(
        line_loss, params, data, nn.SGD(0.1), 50, 5, rng, progress=False, callback=lambda epoch, p, h: epoch == 3
    )
    assert len(history["loss"]) == 4


def test_a_loss_that_is_not_finite_names_epoch_and_batch():
    params = {"p": np.zeros(1)}
    x = np.array([1.0, 1.0, np.nan, 1.0])

    def loss(params, x):
        return pnp.mean(x * params["p"]) + 1.0

    with pytest.raises(FloatingPointError, match="loss is nan in epoch 0, batch 2"):
        nn.fit(loss, params, (x,), nn.SGD(0.1), 2, 1, _InOrder(), progress=False)
    np.testing.assert_allclose(params["p"], [-0.2])


class _InOrder:
    """A generator that leaves rows in order."""

    def permutation(self, rows):
        return np.arange(rows)


def test_an_exception_in_the_loss_or_callback_passes_through(rng):
    params, data = line()

    def broken(*args):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        nn.fit(broken, params, data, nn.SGD(0.1), 1, 5, rng, progress=False)
    with pytest.raises(KeyError, match="mine"):
        nn.fit(line_loss, params, data, nn.SGD(0.1), 1, 5, rng, progress=False, callback=broken)


@pytest.fixture
def no_tqdm(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "tqdm":
            raise ImportError("No module named 'tqdm'")
        return real(name, *args, **kwargs)

    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(builtins, "__import__", without)


def test_progress_is_a_bar_where_tqdm_is_installed(rng, capsys):
    pytest.importorskip("tqdm")
    params, data = line()
    nn.fit(line_loss, params, data, nn.SGD(0.1), 3, 5, rng, validation=data, progress=True)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "validation_loss=" in shown


def test_progress_is_a_line_an_epoch_without_tqdm(rng, capsys, no_tqdm):
    params, data = line()
    nn.fit(line_loss, params, data, nn.SGD(0.1), 2, 5, rng)
    lines = capsys.readouterr().err.splitlines()
    assert [text.split(":")[0] for text in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "loss " in lines[0]


def test_asking_for_the_bar_without_tqdm_says_what_to_install(rng, no_tqdm):
    params, data = line()
    with pytest.raises(ImportError, match="pip install tqdm"):
        nn.fit(line_loss, params, data, nn.SGD(0.1), 2, 5, rng, progress=True)
    assert params["slope"] == 0


def test_no_progress_prints_nothing(rng, capsys):
    params, data = line()
    nn.fit(line_loss, params, data, nn.SGD(0.1), 2, 5, rng, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_classifier_learns_what_is_not_linear(rng):
    x = rng.uniform(-1, 1, size=(400, 2)).astype(np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    params = nn.init_mlp(rng, [2, 16, 2], init=nn.he_normal)

    def loss(params, x, labels):
        return nn.softmax_cross_entropy(nn.mlp(params, x, "relu"), labels)

    nn.fit(loss, params, (x, labels), nn.Adam(0.02), 60, 32, rng, progress=False)
    assert nn.accuracy(nn.mlp(params, x, "relu"), labels) > 0.95


# ---- compiled steps ----

OPTIMIZERS = [nn.SGD(0.1), nn.SGD(0.1, 0.9), nn.SGD(0.1, 0.9, nesterov=True), nn.Adam(0.01)]


def trained(optimizer, dtype=np.float64, loss=None, **keywords):
    """The parameters after a short training on 21 rows, of which the last batch has 5, and the history."""
    rng = np.random.default_rng(0)
    params = tree.map(lambda p: p.astype(dtype), nn.init_mlp(rng, [3, 5, 2]))
    x = rng.normal(size=(21, 3)).astype(dtype)
    labels = (x[:, 0] > 0).astype(np.int64)
    loss = loss or (lambda params, x, labels: nn.softmax_cross_entropy(nn.mlp(params, x, "relu"), labels))
    keywords = {"epochs": 3, "batch_size": 8, "rng": rng, "progress": False, **keywords}
    history = nn.fit(loss, params, (x, labels), optimizer, **keywords)
    return params, history


def the_same(a, b, dtype=np.float64):
    rtol = 1e-5 if dtype == np.float32 else 1e-10
    for p, q in zip(tree.leaves(a), tree.leaves(b), strict=True):
        assert np.asarray(p).dtype == np.asarray(q).dtype
        np.testing.assert_allclose(p, q, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_compiled_training_is_uncompiled_training(optimizer, dtype):
    the_same(trained(optimizer, dtype), trained(optimizer, dtype, compile=False), dtype)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_a_step_with_an_optimizer_is_one_program(optimizer):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(6, 3)), np.array([0, 1, 1, 0, 1, 0])

    def step(params, state, x, labels):
        value, grads = pyad.value_and_grad(lambda params: nn.softmax_cross_entropy(nn.mlp(params, x, "relu"), labels))(
            params
        )
        return value, optimizer.update(params, grads, state)

    fast = pyad.compile(step)
    results = []
    for run in (fast, step):
        params = tree.map(lambda p: p.astype(float), nn.init_mlp(np.random.default_rng(1), [3, 4, 2]))
        state = optimizer.init(params)
        for _ in range(5):
            value, state = run(params, state, x, labels)
        results.append((params, state, value))
    the_same(*results)
    assert fast.recorded == 1
    assert fast.program.report()["python"] == []


def counting(monkeypatch):
    """The compiled functions that are made from here on."""
    made = []
    stepping = sys.modules["pyad.nn._compiled_step"]

    def compiled(*args):
        made.append(Compiled(*args))
        return made[-1]

    monkeypatch.setattr(stepping, "Compiled", compiled)
    return made


def test_training_records_a_program_for_each_size_of_a_batch(monkeypatch):
    made = counting(monkeypatch)
    trained(nn.Adam(0.01))
    assert [fast.recorded for fast in made] == [2]
    made.clear()
    trained(nn.Adam(0.01), compile=False)
    assert not made


def test_a_loss_that_cannot_be_compiled_is_trained_as_it_is(monkeypatch):
    made = counting(monkeypatch)

    def loss(params, x, labels):
        scale = float(pyad.stop_gradient(np.abs(x).max()))
        return nn.softmax_cross_entropy(nn.mlp(params, x / scale, "relu"), labels)

    the_same(trained(nn.Adam(0.01), loss=loss), trained(nn.Adam(0.01), loss=loss, compile=False))
    assert len(made) == 1


class Dropout:
    """A loss with a generator where nobody looks for it."""

    def __init__(self):
        self.inner = {"rng": np.random.default_rng(5)}

    def __call__(self, params, x, labels):
        kept = self.inner["rng"].random(x.shape) < 0.5
        return nn.softmax_cross_entropy(nn.mlp(params, x * kept, "relu"), labels)


def test_a_loss_that_draws_random_numbers_keeps_drawing_them():
    loss = Dropout()
    trained(nn.SGD(0.1), loss=loss, epochs=4)
    before = loss.inner["rng"].bit_generator.state
    steps = Dropout()
    trained(nn.SGD(0.1), loss=steps, epochs=8)

    assert before != steps.inner["rng"].bit_generator.state


def test_what_a_callback_changes_is_seen_by_the_next_step():
    def run(**keywords):
        scale = np.array([1.0])
        optimizer = nn.SGD(0.5)

        def loss(params, x, labels):
            return scale[0] * nn.softmax_cross_entropy(nn.mlp(params, x, "relu"), labels)

        def callback(epoch, params, history):
            scale[0] *= 0.5
            optimizer.learning_rate *= 0.5

        return trained(optimizer, loss=loss, callback=callback, epochs=4, **keywords)

    the_same(run(), run(compile=False))


class Sign:
    """An optimiser that is not pyad's, and counts its steps by itself."""

    def __init__(self):
        self.steps = 0

    def init(self, params):
        return None

    def update(self, params, grads, state):
        self.steps += 1
        for p, g in zip(tree.leaves(params), tree.leaves(grads), strict=True):
            p -= 0.01 / self.steps * np.sign(g)


def test_an_optimizer_of_the_users_runs_as_it_is_written():
    compiled, written = Sign(), Sign()
    the_same(trained(compiled), trained(written, compile=False))
    assert compiled.steps == written.steps == 9


def test_a_step_with_a_loss_that_is_not_finite_leaves_the_parameters():
    params = {"w": np.ones(2)}
    before = []

    def loss(params, x):
        return np.sum(np.log(params["w"] * x))

    def rows():
        return np.array([1.0, 1.0, 1.0, -1.0])

    class Noting(nn.SGD):
        pass

    for optimizer in (nn.SGD(0.1), Noting(0.1)):
        params["w"][:] = 1.0
        with np.errstate(invalid="ignore"), pytest.raises(FloatingPointError, match="batch"):
            nn.fit(loss, params, rows(), optimizer, 2, 1, np.random.default_rng(0), progress=False)
        before.append(params["w"].copy())
    assert np.all(np.isfinite(before[0]))
    np.testing.assert_allclose(before[0], before[1])


def test_parameters_without_axes_are_trained_uncompiled():
    params = {"slope": np.array(0.0)}
    x = np.linspace(-1.0, 1.0, 20)

    def loss(params, x, y):
        return np.mean((params["slope"] * x - y) ** 2)

    nn.fit(loss, params, (x, 3 * x), nn.SGD(0.5), 40, 5, np.random.default_rng(0), progress=False)
    assert round(float(params["slope"]), 3) == 3.0
