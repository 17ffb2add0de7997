"""The optimizers of pytorch-optimizer, more than a hundred."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

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
from nanocl.libraries.signature import Given, Options
from nanocl.records import Option
from nanocl.strategies import Strategy

PARTS = "pytorch_optimizer.optimizer"
PROJECTOR = (f"{PARTS}.utils.galore.GaLoreProjector",)
NORM = (f"{PARTS}.scion.LMONorm",)
SHAMPOO = (
    f"{PARTS}.utils.preconditioner.PreConditioner",
    f"{PARTS}.utils.partition.PreConditionerType",
    f"{PARTS}.utils.graft.SGDGraft",
)
CAUTIOUS: Options = {"cautious": (("bool",), False)}
TWICE = "differentiates the gradient again, which the learner's backward pass is not made for"


def check_adafactor(options: Given) -> None:
    """Raises ValueError for combinations of which the library drops a part without a word."""
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


LIBRARY = Library(
    "pytorch-optimizer",
    "pytorch_optimizer",
    "pytorch-optimizer",
    ways={
        **dict.fromkeys(("Muon", "AdaMuon", "AdaGO", "NorMuon"), Way(muon_groups, extra=INPUT)),
        "SpectralSphere": Way(with_adamw, extra=INPUT | ADAMW),
        **dict.fromkeys(
            ("GaLore", "Fira"),
            Way(
                projected_groups,
                extra=projection(rank=128, scale=0.25, kind="std"),
                check=check_projection,
                holds=PROJECTOR,
            ),
        ),
        "APOLLO": Way(
            projected_groups,
            extra=projection(rank=256, scale=1.0, kind="random"),
            check=check_projection,
            holds=PROJECTOR,
        ),
        **dict.fromkeys(("Lion", "AdamP", "ADOPT", "LaProp"), Way(extra=CAUTIOUS)),
        "AdaFactor": Way(
            extra=CAUTIOUS, defaults={"lr": None, "beta1": None}, check=check_adafactor
        ),
        **dict.fromkeys(("AliG", "LBFGS"), Way(needs_closure=True)),
        "Conda": Way(holds=PROJECTOR),
        "ScalableShampoo": Way(holds=SHAMPOO),
        **dict.fromkeys(("SCION", "SCIONLight"), Way(holds=NORM)),
    },
    refused={
        "AdaHessian": TWICE,
        "SophiaH": TWICE,
        "AdaShift": "keeps its past gradients in an object that a checkpoint cannot be read with safely",
        "DeMo": "exchanges gradients between processes; a run here is one process",
        "DistributedMuon": "divides its work among processes; use pytorch-optimizer:Muon",
        "MuonClip": "needs the attention logits of the model at each step; use pytorch-optimizer:Muon",
    },
)


class PytorchOptimizer(Strategy):
    """Any optimizer of pytorch-optimizer, as in `pytorch-optimizer:Lion`; its options are those of its signature.

    Tuples are taken apart (`betas` is `beta1`, `beta2`). One that wraps another is written
    `SAM:AdamW`, its options are those of both; alone it wraps SGD. Optimizers that need more than
    options (a model, a schedule, a number of steps) are refused. Those with a second set of weights
    for evaluation (ScheduleFree, SPlus) are switched to it.

    Checked against the papers with version 4.1: Lion, SAM, Muon, GaLore and AdaFactor agree, with
    these remarks; the others have been run and resumed, not checked.
    GaLore: the library's own options leave out the rank, and without it it is plain Adam, so
        `rank`, `update_proj_gap`,
    `scale` and `projection_type` are added, with the defaults of its authors; each projection after
    the first comes one step early. AdaFactor: the defaults are the paper's (no momentum, relative
    steps); the library's own are a variant with momentum in bfloat16, in which `lr` does nothing.
    From step 5600 on its second moment is slower in the paper: beta2 is a bound on it. Muon:
    convolutions are flattened to matrices. `cautious` (Liang et al., 2024, arXiv:2411.16085,
    Algorithm 1) is offered where it agrees: Lion, AdamP, ADOPT, LaProp, AdaFactor and MARS. It is
    left out of Muon, where the library masks by the momentum in place of the gradient, of AdEMAMix,
    where it masks one of two momenta, and of those that ignore it. No library here has cautious
    weight decay (Chen et al., 2025, arXiv:2510.12402); it is the strategy `cautious-adamw`.

    Args:
        optimizer: Its name there, and after another colon the one that it wraps.
        cautious: Whether entries whose update and gradient disagree in sign stay, and the others
            move more.
        rank, update_proj_gap, scale, projection_type: GaLore, Fira, APOLLO: of the projection of
            the weight matrices.
        input_layer: Muon and its kin: whether the first layer's weight is orthogonalised too; its
            author leaves it, the output layer, norms and biases to AdamW (options `adamw_...`).

    Source: Kim, 2021, https://github.com/kozistr/pytorch_optimizer, and the paper of the optimizer
        named.
    """

    citation: ClassVar[str] = """@software{kim2021pytorch,
  title = {pytorch\\_optimizer: optimizer \\& lr scheduler \\& loss function collections in {PyTorch}},
  author = {Kim, Hyeongchan},
  year = {2021},
  url = {https://github.com/kozistr/pytorch_optimizer}
}"""
    citations: ClassVar[dict[str, str]] = {
        "AdaFactor": """@inproceedings{shazeer2018adafactor,
  title = {Adafactor: Adaptive Learning Rates with Sublinear Memory Cost},
  author = {Shazeer, Noam and Stern, Mitchell},
  booktitle = {International Conference on Machine Learning},
  year = {2018},
  eprint = {1804.04235},
  archiveprefix = {arXiv}
}""",
        "GaLore": """@inproceedings{zhao2024galore,
  title = {{GaLore}: Memory-Efficient {LLM} Training by Gradient Low-Rank Projection},
  author = {Zhao, Jiawei and Zhang, Zhenyu and Chen, Beidi and Wang, Zhangyang and Anandkumar, Anima and
    Tian, Yuandong},
  booktitle = {International Conference on Machine Learning},
  year = {2024},
  eprint = {2403.03507},
  archiveprefix = {arXiv}
}""",
        "Lion": """@misc{chen2023symbolic,
  title = {Symbolic Discovery of Optimization Algorithms},
  author = {Chen, Xiangning and Liang, Chen and Huang, Da and Real, Esteban and Wang, Kaiyuan and Liu, Yao and
    Pham, Hieu and Dong, Xuanyi and Luong, Thang and Hsieh, Cho-Jui and Lu, Yifeng and Le, Quoc V.},
  year = {2023},
  eprint = {2302.06675},
  archiveprefix = {arXiv}
}""",
        "Muon": """@misc{jordan2024muon,
  title = {Muon: An optimizer for hidden layers in neural networks},
  author = {Jordan, Keller and Jin, Yuchen and Boza, Vlado and You, Jiacheng and Cesista, Franz and Newhouse, Laker and
    Bernstein, Jeremy},
  year = {2024},
  url = {https://kellerjordan.github.io/posts/muon/}
}""",
        "SAM": """@inproceedings{foret2021sharpness,
  title = {Sharpness-Aware Minimization for Efficiently Improving Generalization},
  author = {Foret, Pierre and Kleiner, Ariel and Mobahi, Hossein and Neyshabur, Behnam},
  booktitle = {International Conference on Learning Representations},
  year = {2021},
  eprint = {2010.01412},
  archiveprefix = {arXiv}
}""",
    }

    def __init__(self, *, optimizer: str = "Lion", **options: Option) -> None:
        super().__init__()
        self.optimizer, self.options = optimizer, LIBRARY.complete(optimizer, options)

    @classmethod
    def options_of(cls, text: str) -> Options:
        """Option to (types, default) of the optimizer named after the colon."""
        return LIBRARY.options_of(text or "Lion")

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return LIBRARY.build(self.optimizer, self.options, model)

    def before_eval(self, strategy: Any, **kwargs: Any) -> None:
        if hasattr(strategy.optimizer, "eval"):
            strategy.optimizer.eval()

    def after_eval(self, strategy: Any, **kwargs: Any) -> None:
        if hasattr(strategy.optimizer, "train"):
            strategy.optimizer.train()
