"""What the tests of wrong use share: raising exactly one exception with these words, other threads, leaked values."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyad

X = np.arange(1.0, 4.0)
M = np.arange(6.0).reshape(2, 3)

ENDED = ["after its transform", "had ended", "global, an attribute or a closure", "has_aux=True"]
CHANGED = ["changed after it was recorded", "pass a copy"]


def nodes() -> int:
    """How much is on this thread's tape."""
    return pyad._binding.engine.counters()["nodes"]


Kind = type[BaseException] | tuple[type[BaseException], ...]


def fails(kind: Kind, words: str | list[str], call: Callable[[], Any]) -> str:
    """The call raises exactly this class (or one of these), with a message that holds each of the words, which is
    returned."""
    with pytest.raises(kind) as caught:
        call()
    assert caught.type in (kind if isinstance(kind, tuple) else (kind,))
    message = str(caught.value)
    for word in [words] if isinstance(words, str) else words:
        assert word in message, message
    return message


def in_grad(kind: Kind, words: str | list[str], function: Callable[..., Any], *args: Any) -> str:
    """The same for the gradient of a function; the next gradient is right and nothing is left on the tape."""
    message = fails(kind, words, lambda: pyad.grad(function)(*args))
    assert nodes() == 0
    np.testing.assert_allclose(pyad.grad(lambda x: np.sum(x * np.exp(x)))(X), (1 + X) * np.exp(X), rtol=1e-14)
    return message


def on_thread(call: Callable[[], Any]) -> Any:
    """What the call gives or raises on another thread."""
    result = []

    def run() -> None:
        try:
            result.append((True, call()))
        except BaseException as problem:
            result.append((False, problem))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    ok, value = result[0]
    if not ok:
        raise value
    return value


def leaked() -> Any:
    """A traced value whose transform has ended."""
    seen = []
    pyad.grad(lambda x: (seen.append(x), np.sum(x))[1])(X)
    return seen[0]
