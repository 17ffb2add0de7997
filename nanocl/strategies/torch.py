"""The optimizers of torch."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl.libraries.signature import Options
from nanocl.libraries.torch import LIBRARY
from nanocl.records import Option
from nanocl.strategies import Strategy


class Torch(Strategy):
    """Any optimizer of torch.optim, as in `torch:Muon`.

    The options are those of the optimizer's signature; a tuple is split (`betas` into `beta1` and
    `beta2`).

    Checked against the papers with torch 2.15: Adam, AdamW and Muon agree. Adafactor agrees where
    the mean square of a matrix's gradient is above its `eps1` (None: the precision of the dtype,
    1.2e-7 for float32; the paper has 1e-30). Below it, its steps have full length where the paper's
    would be shorter. It factors the last two dimensions of a convolution, which saves next to
    nothing.

    Args:
        optimizer: Name of the class in torch.optim.
        options: Options of that class. Muon has these in addition:
            `input_layer`: whether the first layer's weight is orthogonalised too; its author leaves
            that weight to AdamW.
            `adamw_lr`, `adamw_beta1`, `adamw_beta2`, `adamw_eps`, `adamw_weight_decay`: AdamW of
            all parameters that are no hidden weight matrix (first and output layer, norms, biases,
            convolutions), with its author's defaults. `pytorch-optimizer:Muon` orthogonalises
            convolutions as well.

    Source: Paszke et al., 2019, arXiv:1912.01703; Muon: Jordan et al., 2024,
        https://kellerjordan.github.io/posts/muon.
    """

    citation: ClassVar[str] = """@inproceedings{paszke2019pytorch,
  title = {{PyTorch}: An Imperative Style, High-Performance Deep Learning Library},
  author = {Paszke, Adam and Gross, Sam and Massa, Francisco and Lerer, Adam and Bradbury, James and
    Chanan, Gregory and Killeen, Trevor and Lin, Zeming and Gimelshein, Natalia and Antiga, Luca and
    Desmaison, Alban and K{\\"o}pf, Andreas and Yang, Edward and DeVito, Zachary and Raison, Martin
    and Tejani, Alykhan and Chilamkurthy, Sasank and Steiner, Benoit and Fang, Lu and Bai, Junjie
    and Chintala, Soumith},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {32},
  year = {2019},
  eprint = {1912.01703},
  archiveprefix = {arXiv}
}"""

    citations: ClassVar[dict[str, str]] = {
        "Adam": """@inproceedings{kingma2015adam,
  title = {Adam: A Method for Stochastic Optimization},
  author = {Kingma, Diederik P. and Ba, Jimmy},
  booktitle = {International Conference on Learning Representations},
  year = {2015},
  eprint = {1412.6980},
  archiveprefix = {arXiv}
}""",
        "AdamW": """@inproceedings{loshchilov2019decoupled,
  title = {Decoupled Weight Decay Regularization},
  author = {Loshchilov, Ilya and Hutter, Frank},
  booktitle = {International Conference on Learning Representations},
  year = {2019},
  eprint = {1711.05101},
  archiveprefix = {arXiv}
}""",
        "Adafactor": """@inproceedings{shazeer2018adafactor,
  title = {Adafactor: Adaptive Learning Rates with Sublinear Memory Cost},
  author = {Shazeer, Noam and Stern, Mitchell},
  booktitle = {International Conference on Machine Learning},
  year = {2018},
  eprint = {1804.04235},
  archiveprefix = {arXiv}
}""",
        "Muon": """@misc{jordan2024muon,
  title = {Muon: An optimizer for hidden layers in neural networks},
  author = {Jordan, Keller and Jin, Yuchen and Boza, Vlado and You, Jiacheng and Cesista, Franz and
    Newhouse, Laker and Bernstein, Jeremy},
  year = {2024},
  url = {https://kellerjordan.github.io/posts/muon/}
}""",
    }

    def __init__(self, *, optimizer: str = "AdamW", **options: Option) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.options = LIBRARY.complete(optimizer, options)

    @classmethod
    def options_of(cls, text: str) -> Options:
        """Option to (types, default) of the optimizer named after the colon."""
        return LIBRARY.options_of(text or "AdamW")

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return LIBRARY.build(self.optimizer, self.options, model)
