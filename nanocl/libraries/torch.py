"""The optimizers of torch."""

from __future__ import annotations

from nanocl.libraries.hybrid import ADAMW, INPUT, with_adamw
from nanocl.libraries.library import Library, Way

LIBRARY = Library(
    name="torch",
    module="torch.optim",
    package="torch",
    ways={"Muon": Way(with_adamw, extra=INPUT | ADAMW), "LBFGS": Way(needs_closure=True)},
    refused={"SparseAdam": "takes sparse gradients only, which no model here has; use torch:Adam"},
)
