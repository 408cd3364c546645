"""The traced array and the op record: how a value knows its node, and what an operation says of itself. No
operation and no transform is known here."""

from pyad._trace import integer_methods, left_behind  # noqa: F401 - these attach methods and the words of an error
