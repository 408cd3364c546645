"""A linear map that was recorded on another tape, as a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyad import tree
from pyad._trace.array import is_traced
from pyad._trace.guards import unguarded
from pyad._trace.op import kept_entry, python_op
from pyad._transforms.python_call import Outputs, PythonCall, record_call, zeros_like


class _LinearMap:
    """A linear map between lists of arrays, with its transpose."""

    __slots__ = ("run", "run_transposed")

    def __init__(self, run: Callable[..., list[Any]], run_transposed: Callable[..., list[Any]]) -> None:
        self.run = run
        self.run_transposed = run_transposed

    @property
    def transposed(self) -> _LinearMap:
        return _LinearMap(self.run_transposed, self.run)

    def __call__(self, leaves: list[Any]) -> list[Any]:
        plain = self.run([unguarded(x) if is_traced(x) else x for x in leaves])
        if not any(is_traced(x) for x in leaves):
            return plain
        outputs = Outputs("pullback", plain, tree.flatten(plain)[1])
        return record_call(_LINEAR, PythonCall(self, tuple(leaves), outputs), outputs.pack(plain), reads=False)


def _linear_backward(s: Any, y: Any, *rest: Any) -> tuple[Any, ...]:
    call = kept_entry(rest[-1])
    found = call.function.transposed(list(call.outputs.unpack(s)))
    return tuple(found[k] for k in call.places)


def _linear_forward(tangents: list[Any], y: Any, *rest: Any) -> Any:
    *operands, params = rest
    call = kept_entry(params)
    leaves = call.zeros()
    for k, x, t in zip(call.places, operands, tangents, strict=True):
        leaves[k] = zeros_like(x) if t is None else t
    return call.outputs.pack(list(call.function(leaves)))


def _linear_again(call: PythonCall, operands: list[Any]) -> Any:
    leaves = list(call.args)
    for k, x in zip(call.places, operands, strict=True):
        leaves[k] = x
    return call.outputs.pack(call.function.run(leaves))


_LINEAR = python_op("pullback", lambda *_: None, _linear_backward, _linear_forward, rerun=_linear_again)


def apply_linear(pullback: Any, cotangents: list[Any]) -> list[Any]:
    """A pullback from outside the transforms under way, applied to traced cotangents."""
    return _LinearMap(pullback.pull, pullback.push)(cotangents)
