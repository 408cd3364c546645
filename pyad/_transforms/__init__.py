"""Derivatives of functions: marks on the tape, leaves, sweeps, and the transforms over them. They know operations by
their records, and nothing of compiled programs."""
