"""The plain functions as Triton kernels for parameters on a GPU."""
