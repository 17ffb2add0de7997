"""Optimizers of other packages: their options, checks and parameter groups."""
