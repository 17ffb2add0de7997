"""The optimizers of pytorch-optimizer, more than a hundred."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from nanocl.libraries.pytorch_optimizer import LIBRARY
from nanocl.libraries.signature import Options
from nanocl.records import Option
from nanocl.strategies import Strategy


class PytorchOptimizer(Strategy):
    """Any optimizer of pytorch-optimizer, as in `pytorch-optimizer:Lion`.

    The options are those of the optimizer's signature; a tuple is split (`betas` into `beta1` and
    `beta2`). An optimizer that wraps another is written `SAM:AdamW` and has the options of both;
    without a second name it wraps SGD. Optimizers that need more than options (a model, a schedule,
    a number of steps) are refused. Optimizers with a second set of weights for evaluation
    (ScheduleFree, SPlus) switch to it while a model is evaluated.

    Lion, SAM, Muon, GaLore and AdaFactor agree with their papers in version 4.1, except for the
    remarks below. All others have been run and resumed, but not compared with a paper.

    GaLore: without a rank it is plain Adam, and the library's own options have no rank. So `rank`,
    `update_proj_gap`, `scale` and `projection_type` are added, with the defaults of its authors.
    Each projection after the first comes one step early.

    AdaFactor: the defaults are the paper's (no momentum, relative steps). The library's own are a
    variant with momentum in bfloat16, in which `lr` has no effect. From step 5600 on the paper's
    second moment is slower: `beta2` is an upper bound of its decay.

    Muon: convolutions are flattened to matrices.

    `cautious` (Liang et al., 2024, arXiv:2411.16085, Algorithm 1) is an option of Lion, AdamP,
    ADOPT, LaProp, AdaFactor and MARS, where it agrees with the paper. Muon masks by the momentum
    instead of the gradient, AdEMAMix masks one of its two momenta, and other optimizers ignore it:
    they have no such option here. No optimizer of the library has cautious weight decay (Chen et
    al., 2025, arXiv:2510.12402); the strategy `cautious-adamw` has.

    Args:
        optimizer: Name of the class in pytorch_optimizer, and after another colon the name of the
            optimizer that it wraps.
        options: Options of that class, and in addition:
            `cautious`: whether only the entries move whose update has the sign of the gradient,
            scaled up to make up for the others.
            `rank`, `update_proj_gap`, `scale`, `projection_type`: projection of the weight matrices
            (GaLore, Fira, APOLLO).
            `input_layer`: whether the first layer's weight is orthogonalised too (Muon and
            similar); its author leaves it, the output layer, norms and biases to AdamW (options
            `adamw_...`).

    Source: Kim, 2021, https://github.com/kozistr/pytorch_optimizer, and the paper of the optimizer.
    """

    citation: ClassVar[str] = """@software{kim2021pytorch,
  title = {pytorch\\_optimizer: optimizer \\& lr scheduler \\& loss function collections in
    {PyTorch}},
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
  author = {Zhao, Jiawei and Zhang, Zhenyu and Chen, Beidi and Wang, Zhangyang and Anandkumar, Anima
    and Tian, Yuandong},
  booktitle = {International Conference on Machine Learning},
  year = {2024},
  eprint = {2403.03507},
  archiveprefix = {arXiv}
}""",
        "Lion": """@misc{chen2023symbolic,
  title = {Symbolic Discovery of Optimization Algorithms},
  author = {Chen, Xiangning and Liang, Chen and Huang, Da and Real, Esteban and Wang, Kaiyuan and
    Liu, Yao and Pham, Hieu and Dong, Xuanyi and Luong, Thang and Hsieh, Cho-Jui and Lu, Yifeng and
    Le, Quoc V.},
  year = {2023},
  eprint = {2302.06675},
  archiveprefix = {arXiv}
}""",
        "Muon": """@misc{jordan2024muon,
  title = {Muon: An optimizer for hidden layers in neural networks},
  author = {Jordan, Keller and Jin, Yuchen and Boza, Vlado and You, Jiacheng and Cesista, Franz and
    Newhouse, Laker and Bernstein, Jeremy},
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
        self.optimizer = optimizer
        self.options = LIBRARY.complete(optimizer, options)

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
