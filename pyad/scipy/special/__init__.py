"""`scipy.special`'s names over pyad's ops: SciPy itself for plain arguments, pyad where one is traced.

What has no derivative here is SciPy's own. The functions that the engine computes itself (erf, expit, logsumexp,
softmax and log_softmax) are the engine's for plain arrays of floats too, and are there without SciPy as well.
"""

from typing import Any

from pyad.scipy.special import _native

_implemented: dict[str, Any] = {name: getattr(_native, name) for name in _native.__all__}

try:
    import scipy.special as _theirs  # type: ignore[import-untyped,unused-ignore]
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] != "scipy":
        raise
    _theirs = None
else:
    from pyad._ops._docstrings import in_words_of as _in_words_of
    from pyad._ops._registry import implements as _implements
    from pyad._ops._registry import namespace as _namespace
    from pyad.scipy.special import (
        _bessel,  # noqa: F401
        _elementary,  # noqa: F401
        _incomplete,  # noqa: F401
        _integrals,  # noqa: F401
    )
    from pyad.scipy.special import _hankel_faddeeva as _complex_valued  # noqa: F401
    from pyad.scipy.special import _orthogonal as _polynomials  # noqa: F401

    for _name in ("logsumexp", "softmax", "log_softmax"):
        _ours = _implements(getattr(_theirs, _name))(_implemented[_name])
        _ours.__doc__ = _in_words_of(getattr(_theirs, _name), _ours.__doc__)
    _implemented = _namespace(_theirs) | {name: _implemented[name] for name in ("logsumexp", "softmax", "log_softmax")}

globals().update(_implemented)

__all__ = sorted(_implemented)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'pyad.scipy.special' has no attribute {name!r}")
    if _theirs is None:
        raise ModuleNotFoundError(f"pyad.scipy.special.{name} needs SciPy: pip install scipy", name="scipy")
    return getattr(_theirs, name)


def __dir__() -> list[str]:
    return sorted({*dir(_theirs), *__all__}) if _theirs is not None else __all__
