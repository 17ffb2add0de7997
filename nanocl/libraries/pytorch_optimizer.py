"""The optimizers of pytorch-optimizer, more than a hundred."""

from __future__ import annotations

from nanocl.libraries.hybrid import (
    ADAMW,
    INPUT,
    check_projection,
    muon_groups,
    projected_groups,
    projection,
    with_adamw,
)
from nanocl.libraries.library import Library, Way
from nanocl.libraries.signature import Options, OptionValues

# classes of which optimizers keep instances in their state
PARTS = "pytorch_optimizer.optimizer"
PROJECTOR = (f"{PARTS}.utils.galore.GaLoreProjector",)
NORM = (f"{PARTS}.scion.LMONorm",)
SHAMPOO = (
    f"{PARTS}.utils.preconditioner.PreConditioner",
    f"{PARTS}.utils.partition.PreConditionerType",
    f"{PARTS}.utils.graft.SGDGraft",
)
CAUTIOUS: Options = {"cautious": (("bool",), False)}
TWICE = "differentiates the gradient again, but the learner's backward pass keeps no graph for it"


def check_adafactor(options: OptionValues) -> None:
    """Raise ValueError for combinations of which the library silently drops a part."""
    if options["relative_step"] == (options["lr"] is not None):
        raise ValueError(
            "lr must be none with relative_step=true and a number with relative_step=false, "
            f"got {options['lr']} with relative_step={options['relative_step']}"
        )
    if options["cautious"] and options["beta1"] is None:
        raise ValueError(
            "beta1 must be a number with cautious=true, got none: there is no momentum to mask"
        )
    if options["beta2"] is None:
        raise ValueError("beta2 must be in [0, 1), got none")


def _projected(*, rank: int, scale: float, kind: str) -> Way:
    return Way(
        projected_groups,
        extra=projection(rank=rank, scale=scale, kind=kind),
        check=check_projection,
        holds=PROJECTOR,
    )


LIBRARY = Library(
    name="pytorch-optimizer",
    module="pytorch_optimizer",
    package="pytorch-optimizer",
    ways={
        **dict.fromkeys(("Muon", "AdaMuon", "AdaGO", "NorMuon"), Way(muon_groups, extra=INPUT)),
        "SpectralSphere": Way(with_adamw, extra=INPUT | ADAMW),
        **dict.fromkeys(("GaLore", "Fira"), _projected(rank=128, scale=0.25, kind="std")),
        "APOLLO": _projected(rank=256, scale=1.0, kind="random"),
        **dict.fromkeys(("Lion", "AdamP", "ADOPT", "LaProp"), Way(extra=CAUTIOUS)),
        "AdaFactor": Way(
            extra=CAUTIOUS,
            defaults={"lr": None, "beta1": None},
            check=check_adafactor,
        ),
        **dict.fromkeys(("AliG", "LBFGS"), Way(needs_closure=True)),
        "Conda": Way(holds=PROJECTOR),
        "ScalableShampoo": Way(holds=SHAMPOO),
        **dict.fromkeys(("SCION", "SCIONLight"), Way(holds=NORM)),
    },
    refused={
        "AdaHessian": TWICE,
        "SophiaH": TWICE,
        "AdaShift": "keeps its past gradients in an object that cannot be read safely from a "
        "checkpoint",
        "DeMo": "exchanges gradients between processes; a run here is one process",
        "DistributedMuon": "divides its work among processes; use pytorch-optimizer:Muon",
        "MuonClip": "needs the attention logits of the model at each step; "
        "use pytorch-optimizer:Muon",
    },
)
