"""Compiled functions: recording, what is compared outside the arguments, programs and their calls. Only the public
namespaces stand above."""
