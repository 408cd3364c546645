"""The engine as Python sees it: calls, memory that is lent and taken, the BLAS, threads. It knows nothing of
traced arrays, or of operations."""
