"""Names and shapes of the parameters of well-known transformers, from their configs.

A config has the keys of the `config.json` files of Hugging Face's transformers, so such a file
works too. Names and shapes are those of transformers' classes; those of ViT are timm's. Needs
neither torch nor weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanocl.records import UserError, files, plain
from nanocl.records.ranges import one_of

# Sources: Dosovitskiy et al., 2021, arXiv:2010.11929, table 1; Devlin et al., 2019,
# arXiv:1810.04805, section 3; Zhang et al., 2022, arXiv:2205.01068, table 1; Touvron et al., 2023,
# arXiv:2307.09288; the model card of Llama 3.2. Sizes that the papers do not give (vocabularies,
# positions, widths of hidden layers) are those of the published config files.
BUNDLED: Mapping[str, Mapping[str, Any]] = {
    "vit-l-16": {
        "model_type": "timm_vit",
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "intermediate_size": 4096,
        "image_size": 224,
        "patch_size": 16,
        "num_channels": 3,
        "num_labels": 1000,
    },
    "bert-base": {
        "model_type": "bert",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "intermediate_size": 3072,
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    },
    "bert-large": {
        "model_type": "bert",
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "intermediate_size": 4096,
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    },
    "opt-1.3b": {
        "model_type": "opt",
        "hidden_size": 2048,
        "num_hidden_layers": 24,
        "ffn_dim": 8192,
        "vocab_size": 50272,
        "max_position_embeddings": 2048,
    },
    "llama-2-7b": {
        "model_type": "llama",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "intermediate_size": 11008,
        "num_attention_heads": 32,
        "vocab_size": 32000,
    },
    "llama-3.2-3b": {
        "model_type": "llama",
        "hidden_size": 3072,
        "num_hidden_layers": 28,
        "intermediate_size": 8192,
        "num_attention_heads": 24,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    },
}


@dataclass(frozen=True)
class Weight:
    """One parameter of an architecture.

    Attributes:
        role: `norm`, `head` (output layer), `embedding`, `input` (a first layer that is no
            embedding), `frozen` (not trained), or `body` for all others. An output layer that
            shares the embedding's matrix is not listed again.
    """

    name: str
    shape: tuple[int, ...]
    role: str = "body"

    @property
    def numel(self) -> int:
        """Its number of entries."""
        return math.prod(self.shape)

    def is_matrix(self, *, input_layer: bool = False, convolutions: bool = False) -> bool:
        """Whether it is a hidden weight matrix, which a run gives to optimizers such as Muon.

        Args:
            input_layer: Whether the weight of the input layer counts.
            convolutions: Whether the kernels of convolutions count.
        """
        inside = self.role == "body" or (input_layer and self.role == "input")
        dimensions = len(self.shape) == 2 or (convolutions and len(self.shape) > 2)
        return inside and "weight" in self.name and dimensions


def from_file(path: str, outputs: int = 0) -> tuple[Weight, ...]:
    """The parameters that a `config.json` of transformers describes; see `from_config`.

    Raises:
        UserError: The file cannot be read, or describes an architecture of another kind.
    """
    try:
        config = plain.read(Path(path))
    except (OSError, files.Refused) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"the config {path!r} cannot be read ({reason})") from error
    except ValueError as error:
        raise UserError(f"the config {path!r} is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"the config {path!r} must hold a JSON object, got {type(config).__name__}")
    return from_config(config, outputs)


def from_config(config: Mapping[str, Any], outputs: int = 0) -> tuple[Weight, ...]:
    """The parameters of the architecture that a config describes.

    Args:
        config: `model_type` and the sizes, with the keys of transformers' configs.
        outputs: Classes of a classifier on top. 0 is the published architecture: a language model
            with its own output layer, ViT with 1000 classes, BERT with its pooler only.

    Raises:
        UserError: The model type is unknown, or a size is missing or no whole number above 0.
    """
    kind = one_of("model_type", str(config.get("model_type")), tuple(FAMILIES), UserError)
    return tuple(FAMILIES[kind](config, outputs))


def _bert(config: Mapping[str, Any], outputs: int) -> Iterator[Weight]:
    width = _size(config, "hidden_size")
    wide = _size(config, "intermediate_size")
    for name, rows in (
        ("word", "vocab_size"),
        ("position", "max_position_embeddings"),
        ("token_type", "type_vocab_size"),
    ):
        yield Weight(
            f"embeddings.{name}_embeddings.weight", (_size(config, rows), width), "embedding"
        )
    yield from _norm("embeddings.LayerNorm", width)
    for layer in _layers("encoder.layer", config):
        for name in ("query", "key", "value"):
            yield from _linear(f"{layer}.attention.self.{name}", width, width)
        yield from _linear(f"{layer}.attention.output.dense", width, width)
        yield from _norm(f"{layer}.attention.output.LayerNorm", width)
        yield from _linear(f"{layer}.intermediate.dense", width, wide)
        yield from _linear(f"{layer}.output.dense", wide, width)
        yield from _norm(f"{layer}.output.LayerNorm", width)
    yield from _linear("pooler.dense", width, width)
    if outputs:
        yield from _linear("classifier", width, outputs, role="head")


def _opt(config: Mapping[str, Any], outputs: int) -> Iterator[Weight]:
    width = _size(config, "hidden_size")
    wide = _size(config, "ffn_dim")
    narrow = _size(config, "word_embed_proj_dim", width)
    yield Weight("decoder.embed_tokens.weight", (_size(config, "vocab_size"), narrow), "embedding")
    # transformers' OPTLearnedPositionalEmbedding has two unused positions before the first
    positions = _size(config, "max_position_embeddings") + 2
    yield Weight("decoder.embed_positions.weight", (positions, width), "embedding")
    if narrow != width:
        yield from _linear("decoder.project_out", width, narrow, bias=False)
        yield from _linear("decoder.project_in", narrow, width, bias=False)
    if config.get("do_layer_norm_before", True):
        yield from _norm("decoder.final_layer_norm", width)
    for layer in _layers("decoder.layers", config):
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            yield from _linear(
                f"{layer}.self_attn.{name}",
                width,
                width,
                bias=config.get("enable_bias", True),
            )
        yield from _norm(f"{layer}.self_attn_layer_norm", width)
        yield from _linear(f"{layer}.fc1", width, wide, bias=config.get("enable_bias", True))
        yield from _linear(f"{layer}.fc2", wide, width, bias=config.get("enable_bias", True))
        yield from _norm(f"{layer}.final_layer_norm", width)
    yield from _on_top(config, narrow, outputs, tied=config.get("tie_word_embeddings", True))


def _llama(config: Mapping[str, Any], outputs: int) -> Iterator[Weight]:
    width = _size(config, "hidden_size")
    wide = _size(config, "intermediate_size")
    heads = _size(config, "num_attention_heads")
    head = _size(config, "head_dim", width // heads)
    queries = heads * head
    keys = _size(config, "num_key_value_heads", heads) * head
    attention = config.get("attention_bias", False)
    hidden = config.get("mlp_bias", False)
    yield Weight("embed_tokens.weight", (_size(config, "vocab_size"), width), "embedding")
    for layer in _layers("layers", config):
        for name, inputs, units in (
            ("q", width, queries),
            ("k", width, keys),
            ("v", width, keys),
            ("o", queries, width),
        ):
            yield from _linear(f"{layer}.self_attn.{name}_proj", inputs, units, bias=attention)
        for name, inputs, units in (
            ("gate", width, wide),
            ("up", width, wide),
            ("down", wide, width),
        ):
            yield from _linear(f"{layer}.mlp.{name}_proj", inputs, units, bias=hidden)
        yield from _norm(f"{layer}.input_layernorm", width, bias=False)
        yield from _norm(f"{layer}.post_attention_layernorm", width, bias=False)
    yield from _norm("norm", width, bias=False)
    yield from _on_top(config, width, outputs, tied=config.get("tie_word_embeddings", False))


def _timm_vit(config: Mapping[str, Any], outputs: int) -> Iterator[Weight]:
    width = _size(config, "hidden_size")
    wide = _size(config, "intermediate_size")
    patch = _size(config, "patch_size")
    patches = (_size(config, "image_size") // patch) ** 2
    yield Weight("cls_token", (1, 1, width), "embedding")
    yield Weight("pos_embed", (1, patches + 1, width), "embedding")
    yield Weight(
        "patch_embed.proj.weight", (width, _size(config, "num_channels"), patch, patch), "input"
    )
    yield Weight("patch_embed.proj.bias", (width,), "input")
    for layer in _layers("blocks", config):
        yield from _norm(f"{layer}.norm1", width)
        yield from _linear(f"{layer}.attn.qkv", width, 3 * width)
        yield from _linear(f"{layer}.attn.proj", width, width)
        yield from _norm(f"{layer}.norm2", width)
        yield from _linear(f"{layer}.mlp.fc1", width, wide)
        yield from _linear(f"{layer}.mlp.fc2", wide, width)
    yield from _norm("norm", width)
    yield from _linear("head", width, outputs or _size(config, "num_labels"), role="head")


FAMILIES: Mapping[str, Callable[[Mapping[str, Any], int], Iterator[Weight]]] = {
    "bert": _bert,
    "opt": _opt,
    "llama": _llama,
    "mistral": _llama,
    "timm_vit": _timm_vit,
}


def _size(config: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = default if config.get(name) is None else config[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(
            f"{name} in a config of {config['model_type']} must be a whole number above 0, "
            f"got {value!r}"
        )
    return value


def _layers(prefix: str, config: Mapping[str, Any]) -> list[str]:
    return [f"{prefix}.{layer}" for layer in range(_size(config, "num_hidden_layers"))]


def _linear(
    name: str,
    inputs: int,
    outputs: int,
    *,
    bias: bool = True,
    role: str = "body",
) -> Iterator[Weight]:
    yield Weight(f"{name}.weight", (outputs, inputs), role)
    if bias:
        yield Weight(f"{name}.bias", (outputs,), role)


def _norm(name: str, width: int, *, bias: bool = True) -> Iterator[Weight]:
    for part in ("weight", "bias") if bias else ("weight",):
        yield Weight(f"{name}.{part}", (width,), "norm")


def _on_top(config: Mapping[str, Any], width: int, outputs: int, *, tied: bool) -> Iterator[Weight]:
    """The last layer of a decoder: a classifier, or the prediction of the next token."""
    if outputs:
        yield from _linear("score", width, outputs, bias=False, role="head")
    elif not tied:
        yield from _linear("lm_head", width, _size(config, "vocab_size"), bias=False, role="head")
