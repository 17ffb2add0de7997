"""The functions of `_plain` as numba loops for parameters on the CPU, one module an algorithm."""
