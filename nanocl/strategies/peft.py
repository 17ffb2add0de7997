"""The adapters of Hugging Face's PEFT."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, ClassVar

import torch
from torch import nn

from nanocl.optim.groups import DENSE, layer_groups
from nanocl.records import UserError, extras
from nanocl.records.ranges import at_least, number, one_of
from nanocl.strategies import Strategy

METHODS = ("LoRA",)
INITIAL = ("default", "gaussian", "pissa", "olora", "orthogonal")


class Peft(Strategy):
    """LoRA as PEFT has it, with its variants, on a frozen backbone: `peft:LoRA`.

    The layers get PEFT's own adapters, which AdamW trains. Drift is that of the merged weights. In
    the cost, adapters count as optimizer state and every weight of the model as trained, as with
    `lora`, which is the same without the package, for convolutions too. Other parts of a
    composition see the adapters' factors: `ewc` penalises them, `wise-ft` interpolates them.

    Args:
        method: `LoRA`.
        lr: Learning rate of the adapters, at least 0.
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers are trained in full: `head`, `norms+head`, `norms` or `none`.
        target_modules: Ends of the names of the linear layers that get adapters, separated by
            commas, such as `query,value`; empty for every linear layer of the backbone.
        r: Rank of the change of a layer, at least 1.
        lora_alpha: Above 0; the change is scaled by lora_alpha / r.
        lora_dropout: Of the adapters' inputs, in [0, 1).
        use_rslora: Scale by lora_alpha / sqrt(r) (Kalajdzievski, 2023, arXiv:2312.03732).
        use_dora: Train length and direction apart (Liu et al., 2024, arXiv:2402.09353).
        init_lora_weights: `default` (the change begins at 0), `gaussian`, `pissa`, `olora` or
            `orthogonal`, see PEFT.
        beta1, beta2, eps: Of AdamW; in [0, 1), eps at least 0.
        weight_decay: Decoupled decay of adapters and dense layers, at least 0.

    Source: Hu et al., 2022, arXiv:2106.09685, section 4.1; Mangrulkar et al., 2022,
        https://github.com/huggingface/peft. Departures: the adapters' rate and that of the output
        layer may differ; the default is every linear layer, which Dettmers et al., 2023,
        arXiv:2305.14314, section 4, found necessary.
    """

    citation: ClassVar[str] = """@misc{mangrulkar2022peft,
  title = {{PEFT}: State-of-the-art Parameter-Efficient Fine-Tuning methods},
  author = {Mangrulkar, Sourab and Gugger, Sylvain and Debut, Lysandre and Belkada, Younes and Paul,
    Sayak and Bossan, Benjamin},
  year = {2022},
  url = {https://github.com/huggingface/peft}
}

@inproceedings{hu2022lora,
  title = {{LoRA}: Low-Rank Adaptation of Large Language Models},
  author = {Hu, Edward J. and Shen, Yelong and Wallis, Phillip and Allen-Zhu, Zeyuan and Li, Yuanzhi
    and Wang, Shean and Wang, Lu and Chen, Weizhu},
  booktitle = {International Conference on Learning Representations},
  year = {2022},
  eprint = {2106.09685},
  archiveprefix = {arXiv}
}"""

    search_space = {"lr": (0.0001, 0.032)}

    def __init__(
        self,
        *,
        method: str = "LoRA",
        lr: float = 1e-3,
        dense_lr: float | None = None,
        dense: str = "head",
        target_modules: str = "",
        r: int = 8,
        lora_alpha: float = 16.0,
        lora_dropout: float = 0.0,
        use_rslora: bool = False,
        use_dora: bool = False,
        init_lora_weights: str = "default",
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        one_of("method", method, METHODS)
        if find_spec("peft") is None:
            raise UserError(
                f"peft:{method} needs the package peft; install it with: {extras.command('peft')}"
            )
        self.lr = number("lr", lr, 0)
        self.dense_lr = self.lr if dense_lr is None else number("dense_lr", dense_lr, 0)
        self.dense = one_of("dense", dense, DENSE)
        self.targets = tuple(end.strip() for end in target_modules.split(",") if end.strip())
        one_of("init_lora_weights", init_lora_weights, INITIAL)
        self.adapters: dict[str, Any] = {
            "r": at_least("r", r, 1),
            "lora_alpha": number("lora_alpha", lora_alpha, 0, above=True),
            "lora_dropout": number("lora_dropout", lora_dropout, 0, 1, below=True),
            "use_rslora": use_rslora,
            "use_dora": use_dora,
            "init_lora_weights": init_lora_weights == "default" or init_lora_weights,
        }
        self.options: dict[str, Any] = {
            "betas": (
                number("beta1", beta1, 0, 1, below=True),
                number("beta2", beta2, 0, 1, below=True),
            ),
            "eps": number("eps", eps, 0),
            "weight_decay": number("weight_decay", weight_decay, 0),
        }

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        dense = layer_groups(model, self.dense, {"lr": self.dense_lr})
        trained = [p for group in dense if "lr" in group for p in group["params"]]
        library = extras.load("peft")  # an optional extra, of this module's name
        targets = targets_of(model, self.targets)
        config = library.LoraConfig(target_modules=targets, **self.adapters)
        library.inject_adapter_in_model(config, model)  # which freezes all but adapters
        _call_adapters(model)
        for parameter in trained:
            parameter.requires_grad_(True)
        # frozen ones are in a group too: Avalanche would add a parameter that it misses
        held = {id(p) for p in trained}
        rest = [p for p in model.parameters() if id(p) not in held]
        groups: list[dict[str, Any]] = [{"params": rest}]
        if trained:
            groups.append({"params": trained, "lr": self.dense_lr})
        return torch.optim.AdamW(groups, lr=self.lr, fused=True, **self.options)


def _call_adapters(model: nn.Module) -> None:
    """Let torch's encoder layers call their linear layers in evaluation too.

    Their fused kernel for evaluation reads the weights of `linear1` and `linear2`, without
    adapters.
    """
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0  # torch: the kernel has no such activation


def targets_of(model: nn.Module, ends: tuple[str, ...]) -> list[str]:
    """Paths of the linear layers of the backbone, of all or of those with these ends.

    Raises:
        ValueError: There is none, or an adapter would not be computed with.
    """
    linear = [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear) and path.startswith("backbone.")
    ]
    chosen = [path for path in linear if not ends or path.endswith(ends)]
    _check_called(model, chosen)
    if not chosen:
        found = ", ".join(sorted({path.rpartition(".")[2] for path in linear})) or "none"
        raise ValueError(
            f"peft:LoRA needs linear layers before the output layer that end with "
            f"{' or '.join(ends) or 'any name'}; the model has: {found}"
        )
    return chosen


def _check_called(model: nn.Module, chosen: Iterable[str]) -> None:
    """Refuse layers whose weight torch's attention reads without calling the layer.

    PEFT's own adapter of that attention registers new parameters in every mini-batch, which an
    optimizer of Avalanche loses.
    """
    inside = [
        f"{path}.out_proj"
        for path, module in model.named_modules()
        if isinstance(module, nn.MultiheadAttention)
    ]
    unusable = sorted({*inside} & {*chosen})
    if unusable:
        usable = sorted({path.rpartition(".")[2] for path in chosen if path not in unusable})
        others = f"peft.target_modules={','.join(usable)}" if usable else "the strategy lora"
        raise ValueError(
            f"peft:LoRA has no adapters for torch's nn.MultiheadAttention, which the model has as "
            f"{unusable[0].removesuffix('.out_proj')}; use {others}"
        )
