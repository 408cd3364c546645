"""Programs written for HIPS autograd, as source text that leaves its results in `result`."""

import re
from dataclasses import dataclass


@dataclass
class Program:
    name: str
    source: str
    rtol: float = 1e-9

    def run(self, package: str) -> object:
        source = re.sub(r"\bautograd\b", package, self.source)
        namespace: dict = {"__name__": self.name}
        exec(compile(source, self.name, "exec"), namespace)
        return namespace["result"]


PROGRAMS = [
    Program(
        "tanh, its derivatives to the sixth order, and at many points",
        """
import autograd.numpy as np
from autograd import grad, elementwise_grad as egrad
def tanh(x):
    y = np.exp(-2.0 * x)
    return (1.0 - y) / (1.0 + y)
derivative = tanh
result = []
for _ in range(6):
    derivative = grad(derivative)
    result.append(derivative(0.7))
x = np.linspace(-7, 7, 20)
result += [egrad(tanh)(x), egrad(egrad(tanh))(x), egrad(egrad(egrad(tanh)))(x)]
""",
    ),
    Program(
        "Taylor series of the sine with a loop and a condition",
        """
import autograd.numpy as np
from autograd import grad
def taylor_sine(x):
    ans = currterm = x
    i = 0
    while np.abs(currterm) > 0.00001:
        currterm = -currterm * x**2 / ((2 * i + 3) * (2 * i + 2))
        ans = ans + currterm
        i += 1
    return ans
result = [grad(taylor_sine)(1.3), grad(grad(taylor_sine))(1.3)]
""",
    ),
    Program(
        "logistic regression by gradient descent",
        """
import autograd.numpy as np
from autograd import grad
from autograd.test_util import check_grads
def sigmoid(x):
    return 0.5 * (np.tanh(x / 2.0) + 1)
def predictions(weights, inputs):
    return sigmoid(np.dot(inputs, weights))
def loss(weights):
    preds = predictions(weights, inputs)
    probabilities = preds * targets + (1 - preds) * (1 - targets)
    return -np.sum(np.log(probabilities))
inputs = np.array([[0.52, 1.12, 0.77], [0.88, -1.08, 0.15], [0.52, 0.06, -1.30], [0.74, -2.49, 1.39]])
targets = np.array([True, True, False, True])
weights = np.array([0.0, 0.0, 0.0])
check_grads(loss, modes=["rev"])(weights)
step = grad(loss)
for _ in range(100):
    weights = weights - step(weights) * 0.01
result = [loss(weights), weights]
""",
    ),
    Program(
        "a network with nested parameters, flattened and trained",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import grad
from autograd.scipy.special import logsumexp
from autograd.misc.flatten import flatten
from autograd.misc.optimizers import adam
def init(scale, sizes, rs):
    return [(scale * rs.randn(m, n), scale * rs.randn(n)) for m, n in zip(sizes[:-1], sizes[1:])]
def predict(params, inputs):
    for W, b in params:
        outputs = np.dot(inputs, W) + b
        inputs = np.tanh(outputs)
    return outputs - logsumexp(outputs, axis=1, keepdims=True)
def posterior(params, inputs, targets, L2):
    prior = -L2 * np.dot(flatten(params)[0], flatten(params)[0])
    return prior + np.sum(predict(params, inputs) * targets)
rs = npr.RandomState(0)
X, T = rs.randn(20, 4), np.eye(3)[rs.randint(3, size=20)]
params = init(0.1, [4, 5, 3], rs)
seen = []
def callback(params, i, g):
    seen.append(posterior(params, X, T, 0.1))
gradient = grad(lambda params, i: -posterior(params, X, T, 0.1))
fitted = adam(gradient, params, step_size=0.1, num_iters=20, callback=callback)
result = [fitted, seen]
""",
        rtol=1e-7,
    ),
    Program(
        "flatten of tuples, lists and dicts, both ways",
        """
import autograd.numpy as np
from autograd import grad, make_vjp
from autograd.misc import flatten
from autograd.misc.flatten import flatten_func
value = {"b": (1.0, [np.ones((2, 2)), {"z": 3.0, "a": np.arange(2.0)}]), "a": 4.0}
flat, unflatten = flatten(value)
f, _, flat_example = flatten_func(lambda v: {"x": v["a"] * v["b"][0], "y": np.sin(v["b"][1][0])}, value)
again = unflatten(2.0 * flat)
result = [flat, again["a"], again["b"], f(flat_example)]
result.append(grad(lambda v: np.sum(flatten(v)[0] ** 2))(value)["b"])
result.append(grad(lambda x: unflatten(x**2)["b"][1][1]["z"])(flat))
""",
    ),
    Program(
        "a recurrent network over a list of states",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import grad
from autograd.scipy.special import logsumexp
def concat_and_multiply(weights, *args):
    cat_state = np.concatenate(args + (np.ones((args[0].shape[0], 1)),), axis=1)
    return np.dot(cat_state, weights)
def rnn_predict(params, inputs):
    def update(input, hiddens):
        return np.tanh(concat_and_multiply(params["change"], input, hiddens))
    def output(hiddens):
        out = concat_and_multiply(params["predict"], hiddens)
        return out - logsumexp(out, axis=1, keepdims=True)
    hiddens = np.ones((inputs.shape[1], 1)) * params["init hiddens"]
    outputs = [output(hiddens)]
    for input in inputs:
        hiddens = update(input, hiddens)
        outputs.append(output(hiddens))
    return outputs
def loss(params, inputs, targets):
    logprobs = rnn_predict(params, inputs)
    total = 0.0
    for t in range(targets.shape[0]):
        total = total + np.sum(logprobs[t] * targets[t])
    return -total / targets.shape[0]
rs = npr.RandomState(1)
params = {"init hiddens": rs.randn(1, 4), "change": rs.randn(3 + 4 + 1, 4), "predict": rs.randn(4 + 1, 3)}
inputs, targets = rs.randn(5, 2, 3), rs.rand(5, 2, 3)
result = grad(loss)(params, inputs, targets)
""",
    ),
    Program(
        "an LSTM that carries two states",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import value_and_grad
def sigmoid(x):
    return 0.5 * (np.tanh(x / 2.0) + 1.0)
def lstm(params, inputs):
    def gate(name, input, hiddens):
        return np.dot(np.concatenate([input, hiddens], 1), params[name])
    def update(input, hiddens, cells):
        change = np.tanh(gate("change", input, hiddens))
        forget = sigmoid(gate("forget", input, hiddens))
        ingate = sigmoid(gate("ingate", input, hiddens))
        outgate = sigmoid(gate("outgate", input, hiddens))
        cells = cells * forget + ingate * change
        return outgate * np.tanh(cells), cells
    hiddens = params["h"] + np.zeros((inputs.shape[1], 1))
    cells = params["c"] + np.zeros((inputs.shape[1], 1))
    out = []
    for input in inputs:
        hiddens, cells = update(input, hiddens, cells)
        out.append(np.mean(hiddens))
    return np.sum(np.array(out) ** 2)
rs = npr.RandomState(2)
params = {k: rs.randn(6, 4) for k in ["change", "forget", "ingate", "outgate"]}
params.update(h=rs.randn(1, 4), c=rs.randn(1, 4))
result = value_and_grad(lstm)(params, rs.randn(6, 3, 2))
""",
    ),
    Program(
        "a mixture of Gaussians, with a Hessian-vector product for Newton's method",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import grad, hessian_vector_product
from autograd.scipy.special import logsumexp
from autograd.misc.flatten import flatten_func
def log_density(params, data):
    pieces = []
    for log_weight, mean, log_scale in zip(params["log weights"], params["means"], params["log scales"]):
        z = (data - mean) * np.exp(-log_scale)
        pieces.append(log_weight - 0.5 * np.sum(z**2, axis=1) - np.sum(log_scale))
    return np.sum(logsumexp(np.array(pieces), axis=0) - logsumexp(params["log weights"]))
rs = npr.RandomState(3)
data = rs.randn(12, 2)
params = {"log weights": rs.randn(3), "means": rs.randn(3, 2), "log scales": 0.1 * rs.randn(3, 2)}
objective, unflatten, flat = flatten_func(lambda p: -log_density(p, data), params)
scalar = lambda x: objective(x)[0]
result = [scalar(flat), grad(scalar)(flat), hessian_vector_product(scalar)(flat, np.arange(15.0))]
""",
    ),
    Program(
        "Rosenbrock's function for SciPy's minimiser, with gradient and Hessian products",
        """
import autograd.numpy as np
from autograd import value_and_grad, make_hvp
from scipy.optimize import minimize
def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
start = np.array([-1.2, 1.0])
found = minimize(value_and_grad(rosenbrock), start, jac=True, method="CG")
newton = minimize(value_and_grad(rosenbrock), start, jac=True, method="Newton-CG",
                  hessp=lambda x, p: make_hvp(rosenbrock)(x)[0](p))
result = [found.x, newton.x]
""",
        rtol=1e-5,
    ),
    Program(
        "a fluid that is advected, as slices of a padded field",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import value_and_grad
def shift(f, row, column):
    n = f.shape[0]
    f = np.concatenate([f[-1:], f, f[:1]], axis=0)
    f = np.concatenate([f[:, -1:], f, f[:, :1]], axis=1)
    return f[1 + row : 1 + row + n, 1 + column : 1 + column + n]
def project(vx, vy):
    h = 1.0 / vx.shape[0]
    div = -0.5 * h * (shift(vx, -1, 0) - shift(vx, 1, 0) + shift(vy, 0, -1) - shift(vy, 0, 1))
    p = np.zeros(vx.shape)
    for k in range(4):
        p = (div + shift(p, 1, 0) + shift(p, -1, 0) + shift(p, 0, 1) + shift(p, 0, -1)) / 4.0
    vx = vx - 0.5 * (shift(p, -1, 0) - shift(p, 1, 0)) / h
    vy = vy - 0.5 * (shift(p, 0, -1) - shift(p, 0, 1)) / h
    return vx, vy
def distance_from_target(params):
    vx, vy = params
    smoke = target
    for t in range(3):
        vx, vy = project(vx, vy)
        smoke = smoke - 0.1 * (vx * (shift(smoke, 1, 0) - shift(smoke, -1, 0)))
        vx, vy = vx - 0.1 * vx * vy, vy + 0.1 * vx * vx
    return np.mean((target[::-1] - smoke) ** 2)
rs = npr.RandomState(4)
target = rs.rand(6, 6)
result = value_and_grad(distance_from_target)((rs.randn(6, 6), rs.randn(6, 6)))
""",
    ),
    Program(
        "a convolutional network with max pooling",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
import autograd.scipy.signal
from autograd import grad
convolve = autograd.scipy.signal.convolve
def conv_layer(inputs, params):
    # Inputs: (images, colors, y, x), filters: (colors, filters, y, x)
    conv = convolve(inputs, params["filters"], axes=([2, 3], [2, 3]), dot_axes=([1], [0]), mode="valid")
    return np.tanh(conv + params["biases"])
def max_pool(inputs, size):
    n, c, y, x = inputs.shape
    return np.max(np.max(inputs.reshape((n, c, y // size, size, x // size, size)), axis=3), axis=4)
def loss(params, images, targets):
    hidden = max_pool(conv_layer(images, params[0]), 2)
    outputs = np.dot(hidden.reshape((hidden.shape[0], -1)), params[1])
    return np.sum((outputs - targets) ** 2)
rs = npr.RandomState(10)
params = [{"filters": rs.randn(2, 3, 3, 3), "biases": rs.randn(1, 3, 1, 1)}, rs.randn(3 * 4, 2)]
images, targets = rs.randn(5, 2, 6, 6), rs.randn(5, 2)
a, b = rs.randn(4, 5), rs.randn(2, 3)
result = [grad(loss)(params, images, targets)]
result += [grad(lambda a, b: np.sum(convolve(a, b, mode=mode) ** 2), (0, 1))(*pair)
           for mode in ("full", "valid", "same") for pair in ((a, b), (b, a)) if mode != "same" or pair[0] is a]
""",
    ),
    Program(
        "the parameters of a differential equation",
        """
import autograd.numpy as np
from autograd import grad
from autograd.builtins import tuple
from autograd.scipy.integrate import odeint
def func(y, t, A):
    return np.dot(y**3, A)
t = np.linspace(0.0, 1.0, 5)
y0 = np.array([1.0, 0.5])
A = np.array([[-0.1, 0.8], [-0.9, -0.2]])
def loss(A, y0):
    return np.mean((odeint(func, y0, t, tuple((A,)), rtol=1e-11, atol=1e-11) - 0.3) ** 2)
result = [loss(A, y0), grad(loss, (0, 1))(A, y0)]
""",
        rtol=1e-6,
    ),
    Program(
        "solves and functions of matrices from SciPy",
        """
import autograd.numpy as np
import autograd.scipy.linalg as spla
from autograd import grad
A = np.array([[1.3, 0.2, 0.1], [0.4, 2.0, -0.3], [-0.2, 0.5, 1.7]])
b = np.array([0.3, -1.0, 2.0])
result = [
    grad(lambda A: np.sum(spla.sqrtm(A) ** 3))(A),
    grad(lambda A: np.sum(spla.solve_triangular(A, b, lower=True) ** 2))(A),
    grad(lambda b: np.sum(spla.solve_triangular(A, b, trans=1) ** 2))(b),
    grad(lambda A, B: np.sum(spla.solve_sylvester(A, B, A * B) ** 2), (0, 1))(A, A + 3.0),
]
""",
        rtol=1e-7,
    ),
    Program(
        "a field rolled around",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import grad
def laplacian(f):
    return np.roll(f, 1, axis=0) + np.roll(f, -1, axis=0) + np.roll(f, 1, axis=1) + np.roll(f, -1, axis=1) - 4 * f
def energy(f):
    for _ in range(3):
        f = f + 0.1 * laplacian(f) - 0.1 * f**3
    return np.sum(f**2)
result = grad(energy)(npr.RandomState(5).randn(5, 5))
""",
    ),
    Program(
        "black-box variational inference with Adam",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import grad
from autograd.misc.optimizers import adam
def log_posterior(x):
    mu, log_sigma = x[:, 0], x[:, 1]
    prior = -0.5 * (log_sigma / 1.35) ** 2
    return prior - 0.5 * (mu / np.exp(log_sigma)) ** 2 - log_sigma
def objective(params, t):
    mean, log_std = params[:2], params[2:]
    samples = draws * np.exp(log_std) + mean
    entropy = np.sum(log_std)
    return -(entropy + np.mean(log_posterior(samples)))
draws = npr.RandomState(6).randn(40, 2)
result = adam(grad(objective), np.concatenate([-1 * np.ones(2), -5 * np.ones(2)]), step_size=0.1, num_iters=50)
""",
        rtol=1e-6,
    ),
    Program(
        "a Bayesian network: samples of weights unpacked from vectors",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import grad
from autograd.misc.optimizers import rmsprop, sgd
shapes = [(1, 5), (5, 1)]
count = sum((m + 1) * n for m, n in shapes)
def unpack(weights):
    for m, n in shapes:
        yield weights[:, : m * n].reshape((-1, m, n)), weights[:, m * n : m * n + n].reshape((-1, 1, n))
        weights = weights[:, (m + 1) * n :]
def predictions(weights, inputs):
    inputs = np.expand_dims(inputs, 0)
    for W, b in unpack(weights):
        outputs = np.matmul(inputs, W) + b
        inputs = np.exp(-(outputs**2))
    return outputs
def logprob(weights, inputs, targets):
    prior = -0.5 * np.sum(weights**2, axis=1)
    return prior - 5.0 * np.sum((predictions(weights, inputs) - targets) ** 2, axis=1)[:, 0]
rs = npr.RandomState(7)
X = rs.randn(8, 1)
Y = np.cos(X)
noise = rs.randn(6, count)
def objective(params, t):
    mean, log_std = params
    return -np.mean(logprob(mean + noise * np.exp(log_std), X, Y)) - np.sum(log_std)
start = (0.1 * rs.randn(count), -3.0 * np.ones(count))
gradient = grad(objective)
result = [rmsprop(gradient, start, num_iters=15, step_size=0.05), sgd(gradient, start, num_iters=15, step_size=0.001)]
""",
        rtol=1e-6,
    ),
    Program(
        "a fixed point differentiated implicitly",
        """
import autograd.numpy as np
from autograd import grad
from autograd.misc.fixed_points import fixed_point
def newton_sqrt_iter(a):
    return lambda x: 0.5 * (x + a / x)
def grad_descent_sqrt_iter(a):
    return lambda x: x - 0.05 * (x**2 - a)
def sqrt(a, guess=10.0):
    return fixed_point(newton_sqrt_iter, a, guess, distance, 1e-12)
def slow_sqrt(a, guess=10.0):
    return fixed_point(grad_descent_sqrt_iter, a, guess, distance, 1e-12)
def distance(x, y):
    return np.abs(x - y)
result = [f(2.0) for root in (sqrt, slow_sqrt) for f in (root, grad(root), grad(grad(root)))]
""",
        rtol=1e-7,
    ),
    Program(
        "a primitive with a rule, which is differentiated twice",
        """
import autograd.numpy as np
from autograd import grad
from autograd.extend import primitive, defvjp
from autograd.test_util import check_grads
import numpy as raw
@primitive
def logsumexp(x):
    max_x = raw.max(x)
    return max_x + raw.log(raw.sum(raw.exp(x - max_x)))
def logsumexp_vjp(ans, x):
    x_shape = x.shape
    return lambda g: np.full(x_shape, 1.0) * g * np.exp(x - np.full(x_shape, 1.0) * ans)
defvjp(logsumexp, logsumexp_vjp)
def example(y):
    z = y**2
    return np.sum(logsumexp(z) * z)
x = np.array([1.5, 6.7, 1e-1])
check_grads(example, modes=["rev"])(x)
result = [grad(example)(x), grad(lambda x: np.sum(grad(example)(x) ** 2))(x)]
""",
    ),
    Program(
        "primitives with several arguments, keywords, forward rules and linear ones",
        """
import autograd.numpy as np
from autograd import grad, jacobian, make_jvp
from autograd.extend import primitive, defvjp, defjvp, defvjp_argnum, defvjp_argnums, defjvp_argnum, def_linear
from autograd.numpy.numpy_vjps import unbroadcast_f
import numpy as raw
@primitive
def scaled(x, y, factor=1.0):
    return factor * x * y
defvjp(scaled, lambda ans, x, y, factor=1.0: unbroadcast_f(x, lambda g: factor * g * y),
       lambda ans, x, y, factor=1.0: unbroadcast_f(y, lambda g: factor * g * x))
defjvp(scaled, "same", lambda g, ans, x, y, factor=1.0: factor * x * g)
@primitive
def power(x, n, unused):
    return raw.power(x, n)
defvjp(power, lambda ans, x, n, u: lambda g: g * n * x ** (n - 1), None)
defjvp(power, lambda g, ans, x, n, u: g * n * x ** (n - 1), None)
@primitive
def summed(*xs):
    return sum(xs)
defvjp_argnum(summed, lambda argnum, ans, args, kwargs: lambda g: g)
defjvp_argnum(summed, lambda argnum, g, ans, args, kwargs: g)
@primitive
def dotted(x, y):
    return raw.dot(x, y)
defvjp_argnums(dotted, lambda argnums, ans, args, kwargs: lambda g: [g * args[1 - n] for n in argnums])
def_linear(dotted)
x, y = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 2.0])
result = [
    grad(lambda x: np.sum(scaled(x, y, factor=3.0) ** 2))(x),
    grad(lambda x: np.sum(scaled(x, x, factor=3.0) ** 2))(x),
    grad(lambda s: np.sum(scaled(s, y, factor=2.0)))(1.5),
    make_jvp(lambda x: scaled(x, x * y, factor=3.0))(x)(y),
    jacobian(lambda x: power(x, 3.0, "text"))(x),
    make_jvp(lambda x: power(x, 3.0, None))(x)(y),
    grad(lambda x: np.sum(summed(x, 2.0 * x, x**2)))(x),
    make_jvp(lambda x: summed(x, y, x**2))(x)(y),
    grad(lambda x: dotted(x, x * y) ** 2)(x),
    grad(lambda y: dotted(x, y) ** 2)(y),
    make_jvp(lambda x: dotted(x, x))(x)(y),
]
""",
    ),
    Program(
        "a primitive of containers, built with autograd's own",
        """
import autograd.numpy as np
from autograd import grad
from autograd.builtins import tuple as atuple, list as alist, dict as adict, isinstance, type
from autograd.extend import primitive, defvjp
@primitive
def weigh(pair, weights):
    return pair[0] * weights["a"] + pair[1] * weights["b"]
defvjp(weigh, lambda ans, pair, w: lambda g: atuple((g * w["a"], g * w["b"])),
       lambda ans, pair, w: lambda g: adict({"a": np.sum(g * pair[0]), "b": np.sum(g * pair[1])}))
x = np.array([1.0, 2.0])
def f(x):
    assert isinstance(x, np.ndarray) and type(x) is np.ndarray
    items = alist([x, x**2])
    assert isinstance(items, list) and len(items) == 2
    return np.sum(weigh(atuple((items[0], items[1])), adict({"a": x[0], "b": 3.0})) ** 2)
result = [grad(f)(x), grad(lambda p: np.sum(weigh(p, {"a": 1.0, "b": 2.0}) ** 2))((x, 2.0 * x))]
""",
    ),
    Program(
        "a sparse cotangent of a gather",
        """
import autograd.numpy as np
from autograd import grad
from autograd.extend import primitive, defvjp, vspace, SparseObject
import numpy as raw
@primitive
def take(x, index):
    return x[index]
@primitive
def untake(g, index, vs):
    def mut_add(A):
        raw.add.at(A, index, g)
        return A
    return SparseObject(vs, mut_add)
defvjp(take, lambda ans, x, index: lambda g: untake(g, index, vspace(x)))
defvjp(untake, lambda ans, g, index, vs: lambda s: take(s, index))
index = np.array([0, 2, 2])
f = lambda x: np.sum(take(x, index) ** 3)
x = np.array([1.0, 2.0, 3.0])
result = [grad(f)(x), grad(lambda x: np.sum(grad(f)(x)))(x)]
""",
    ),
    Program(
        "gradients by all arguments as a dict",
        """
import autograd.numpy as np
from autograd import multigrad_dict, grad, grad_named
def fun(x, y, scale=2.0, **extra):
    return np.sum(x * np.sin(y)) * scale + np.sum(extra["z"] ** 2)
x, y = np.array([1.0, 2.0]), np.array([0.3, 0.4])
def named(x, y):
    return np.sum(x**2 * y)
result = [dict(multigrad_dict(fun)(x, y=y, z=x)), grad_named(named, "y")(x, y)]
result += [grad(named, (0, 1))(x, y), grad(named, [1])(x, y)]
""",
    ),
    Program(
        "checkpoints",
        """
import autograd.numpy as np
from autograd import checkpoint, grad
def f(x, y, power=2):
    return np.sin(np.exp(x) * y) ** power
checked = checkpoint(f)
x, y = np.array([0.1, 0.2]), np.array([0.7, 0.9])
loss = lambda x, y: np.sum(checked(checked(x, y), y, power=3))
result = [grad(loss, (0, 1))(x, y), grad(lambda x: np.sum(grad(loss)(x, y) ** 2))(x)]
""",
    ),
    Program(
        "Jacobians, Hessians and products with them",
        """
import autograd.numpy as np
from autograd import (jacobian, hessian, make_jvp, make_vjp, make_hvp, make_ggnvp, vector_jacobian_product,
                      tensor_jacobian_product, hessian_tensor_product)
from autograd.differential_operators import make_jvp_reversemode
f = lambda x: np.sin(x) * np.sum(x**2)
s = lambda x: np.sum(np.exp(x) * x[0])
matrix = lambda x: x.reshape((3, 1)) * x
x, v = np.array([0.3, 0.5, -0.2]), np.array([1.0, -2.0, 0.5])
vjp, y = make_vjp(f)(x)
hvp, g = make_hvp(s)(x)
result = [
    jacobian(f)(x), hessian(s)(x), hessian(f)(x), jacobian(matrix)(x), make_jvp(f)(x)(v),
    y, vjp(v), vjp(2 * v), hvp(v), g,
    make_jvp_reversemode(f)(x)(v), make_ggnvp(f)(x)(v), make_ggnvp(f, lambda y: np.sum(y**4))(x)(v),
    vector_jacobian_product(f)(x, v), tensor_jacobian_product(matrix)(x, np.ones((3, 3))),
    tensor_jacobian_product(matrix)(x, v), hessian_tensor_product(s)(x, v),
    jacobian(lambda a, b: a * b, 1)(x, v), jacobian(lambda z: z * x)(2.0),
]
""",
    ),
    Program(
        "forward mode of a chain of element-wise functions",
        """
import autograd.numpy as np
from autograd import elementwise_grad
from autograd.differential_operators import deriv
f = lambda x: np.sqrt(1.0 + np.exp(np.cos(x) ** 2)) / (1.5 + np.arctan(x)) - np.log1p(x**2) + np.sinh(0.1 * x)
x = np.linspace(-2.0, 2.0, 7)
result = [deriv(f)(x), elementwise_grad(f)(x), deriv(deriv(f))(x), deriv(deriv(deriv(f)))(0.3)]
""",
    ),
    Program(
        "second outputs, sizes of one, and values that are not scalars",
        """
import autograd.numpy as np
from autograd import grad, grad_and_aux, value_and_grad, jacobian
x = np.array([[1.0, 2.0]])
result = [
    grad_and_aux(lambda x: (np.sum(x**2), np.sum(x)))(x)[0],
    grad(lambda x: np.sum(x**2, keepdims=True))(x),
    value_and_grad(lambda x: np.dot(x, x.T))(x),
]
try:
    grad(lambda x: x * 2)(x)
except TypeError:
    result.append(1.0)
""",
    ),
    Program(
        "the values behind what is differentiated",
        """
import autograd.numpy as np
from autograd import grad
from autograd.tracer import getval, isbox
from autograd.extend import notrace_primitive
from autograd.numpy.numpy_boxes import ArrayBox
import builtins
@notrace_primitive
def largest(x):
    assert builtins.isinstance(x, np.ndarray)
    return x.argmax()
def f(x):
    assert isbox(x) and builtins.isinstance(x, ArrayBox) and not isbox(getval(x))
    return x[largest(x)] * np.sum(getval(x))
result = grad(f)(np.array([1.0, 3.0, 2.0]))
""",
    ),
    Program(
        "vector spaces",
        """
import autograd.numpy as np
from autograd.extend import vspace
value = [np.ones((2, 2)), (1.0, np.zeros(3))]
vs = vspace(value)
result = [vs.zeros(), vs.ones(), list(vs.standard_basis()), float(vs.size),
          vs.add(value, value), vs.scalar_mul(value, 3.0), vs.inner_prod(value, value), vspace(np.ones((2, 3))).shape]
assert vs == vspace(vs.zeros()) and vs != vspace(1.0)
assert not vs.iscomplex and vspace(1j).iscomplex and vspace(1j).size == 2
""",
    ),
    Program(
        "an optimisation that is itself differentiated",
        """
import autograd.numpy as np
from autograd import grad
from autograd.misc.optimizers import sgd, adam, rmsprop
def final(optimize):
    def loss(rate):
        gradient = grad(lambda p, i: np.sum((p - 1.0) ** 2 * np.arange(1.0, 4.0)))
        fitted = optimize(gradient, np.zeros(3), num_iters=4, step_size=rate)
        return np.sum((fitted - 2.0) ** 2)
    return loss
result = [grad(final(optimize))(0.1) for optimize in (sgd, adam, rmsprop)]
""",
    ),
    Program(
        "a likelihood of the normal and gamma distributions",
        """
import autograd.numpy as np
from autograd import grad
from autograd.scipy.stats import norm
import autograd.scipy.stats.gamma as gamma
import autograd.scipy.special as special
x = np.array([0.5, 1.5, 2.5])
result = [grad(lambda p: np.sum(norm.logpdf(x, p[0], np.exp(p[1]))))(np.array([0.1, 0.2])),
          grad(lambda a: np.sum(gamma.logpdf(x, a)))(1.3), grad(lambda z: np.sum(special.gammaln(z)))(x)]
""",
    ),
    Program(
        "a Gaussian process: solve and log-determinant",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import value_and_grad
rs = npr.RandomState(8)
X, y = rs.randn(6, 1), rs.randn(6)
def nll(p):
    d = (X[:, None, :] - X[None, :, :]) / np.exp(p[0])
    K = np.exp(p[1]) * np.exp(-0.5 * np.sum(d**2, axis=2)) + np.exp(p[2]) * np.eye(6)
    sign, logdet = np.linalg.slogdet(K)
    return 0.5 * np.dot(y, np.linalg.solve(K, y)) + 0.5 * logdet
result = value_and_grad(nll)(np.array([0.1, 0.2, -1.0]))
""",
    ),
    Program(
        "contractions written with einsum and tensordot",
        """
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import grad
rs = npr.RandomState(9)
A, B = rs.randn(2, 3, 4), rs.randn(4, 3)
result = grad(lambda A, B: np.sum(np.einsum("ijk,kj->i", A, B) ** 2) + np.sum(np.tensordot(A, B, 1) ** 2), (0, 1))(A, B)
""",
    ),
    Program(
        "a holomorphic derivative",
        """
import autograd.numpy as np
from autograd import holomorphic_grad
result = holomorphic_grad(lambda z: z**2 * np.exp(z))(0.3 + 0.2j)
""",
    ),
]
