"""Normalisation layers by type: their weights are few, and a sparse optimizer trains them densely."""

from torch import nn

NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)
