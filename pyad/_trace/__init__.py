"""The traced array and the op record: how a value knows its node, and what an operation says of itself. No
operation and no transform is known here."""
