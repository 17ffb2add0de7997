"""The plain functions as numba loops for parameters on the CPU."""
