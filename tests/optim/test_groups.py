"""Parameter groups: norms by type, class or name, the head by the model or its position."""

import pytest
import torch
from state_counts import network
from torch import nn

from nanocl.optim.groups import (
    NORMS,
    dense_groups,
    head_parameters,
    layer_groups,
    norm_layers,
    norm_parameters,
)
from nanocl.testing import SmallBackbone
from nanocl.training.heads import Network


def test_norms_are_found_by_type_and_the_head_by_the_model_or_as_its_last_linear_layer():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1),
        nn.BatchNorm2d(2),
        nn.GroupNorm(1, 2),
        nn.Flatten(),
        nn.Linear(2, 3),
        nn.LayerNorm(3),
        nn.Linear(3, 2),
        nn.BatchNorm1d(2, affine=False),
    )
    assert norm_parameters(model) == {
        f"{i}.{name}" for i in (1, 2, 5) for name in ("weight", "bias")
    }
    assert head_parameters(model) == {"6.weight", "6.bias"}
    own = Network(SmallBackbone(), outputs=4, kind="own", classes=((0, 1), (2, 3)))
    assert head_parameters(own) == {"head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias"}
    assert head_parameters(nn.Conv2d(1, 1, 1)) == set()


class LlamaRMSNorm(nn.Module):
    """A norm that derives from no type of torch's, as in transformers."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))


class Scale(LlamaRMSNorm):
    """Only its name in the model shows what it is."""


class NormFreeBlock(nn.Sequential):
    """A block with a scale of its own and layers inside."""

    def __init__(self):
        super().__init__(nn.Linear(2, 2))
        self.gain = nn.Parameter(torch.ones(()))


def test_norms_of_other_packages_are_found_by_class_or_name_and_layers_called_norm_are_not():
    model = nn.ModuleDict(
        {
            "first": LlamaRMSNorm(3),
            "channels": LlamaRMSNorm(1, 3, 1, 1),
            "input_layernorm": Scale(3),
            "ln_1": Scale(3),
            "bn2": Scale(3),
            "norm_proj": nn.Linear(3, 3),
            "gamma": Scale(3),
            "block": NormFreeBlock(),
            "norm_matrix": LlamaRMSNorm(3, 3),
            "learn": Scale(3),
            "plain": nn.LayerNorm((2, 3)),
        }
    )
    assert norm_layers(model) == {
        "first": "class",
        "channels": "class",
        "input_layernorm": "name",
        "ln_1": "name",
        "bn2": "name",
        "plain": "type",
    }


def test_the_norms_of_our_models_are_those_of_torchs_types():
    for name in ("resnet32", "slim-resnet18", "small-cnn", "torchvision:resnet18"):
        options = {"norm": "batch"} if name == "small-cnn" else {}
        with torch.device("meta"):
            model = network(name, (3, 32, 32), 10, **options)
        norms = {path for path, module in model.named_modules() if isinstance(module, NORMS)}
        assert {*norm_layers(model)} == norms and norms


@pytest.mark.parametrize("dense", ["norms+head", "norms", "head", "none"])
def test_every_parameter_is_in_one_group_even_when_frozen(dense):
    network = Network(SmallBackbone(), outputs=4)
    network.backbone[1].weight.requires_grad_(False)
    grouped = [p for group in layer_groups(network, dense, {}) for p in group["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, network.parameters()))


def test_the_named_layers_get_the_options_and_an_empty_group_is_left_out():
    network = Network(SmallBackbone(), outputs=4)
    rest, head = layer_groups(network, "head", {"rank": None})
    assert "rank" not in rest and head["rank"] is None
    assert set(map(id, head["params"])) == set(map(id, network.head.parameters()))
    assert len(layer_groups(network, "none", {"rank": None})) == 1


HEADS = {
    "BertForSequenceClassification": {"classifier.weight", "classifier.bias"},
    "BertForQuestionAnswering": {"qa_outputs.weight", "qa_outputs.bias"},
    "BertForMaskedLM": {
        "cls.predictions.bias",
        "cls.predictions.transform.dense.weight",
        "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.transform.LayerNorm.bias",
    },
    "LlamaForSequenceClassification": {"score.weight"},
    "LlamaForCausalLM": {"lm_head.weight"},
    "RobertaForSequenceClassification": {
        "classifier.dense.weight",
        "classifier.dense.bias",
        "classifier.out_proj.weight",
        "classifier.out_proj.bias",
    },
}


def of_transformers(name, **options):
    transformers = pytest.importorskip("transformers")
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 20}
    kind = getattr(transformers, name)
    config = kind.config_class(hidden_size=8, intermediate_size=8, **sizes, **options)
    return kind(config)


@pytest.mark.parametrize("name", HEADS)
def test_the_head_of_a_model_of_transformers_is_what_lies_outside_of_its_base(name):
    assert head_parameters(of_transformers(name)) == HEADS[name]


def test_the_norms_of_llama_are_dense_and_a_tied_output_matrix_is_not(capsys):
    model = of_transformers("LlamaForCausalLM", tie_word_embeddings=True)
    sparse, dense = dense_groups(model, lr=0.5)
    named = {id(param): name for name, param in model.named_parameters()}
    assert {named[id(param)] for param in dense["params"]} == {
        "model.norm.weight",
        "model.layers.0.input_layernorm.weight",
        "model.layers.0.post_attention_layernorm.weight",
    }
    assert (dense["density"], dense["lr"]) == (1.0, 0.5) and set(sparse) == {"params"}
    total = sum(param.numel() for param in model.parameters())
    assert capsys.readouterr().err == (
        f"nanocl: dense: 3 tensors of normalisation layers (24 of {total} entries, "
        f"{24 / total:.2%}; the output matrix is the embedding and stays sparse)\n"
    )


def test_dense_groups_leave_out_frozen_parameters_and_print_nothing_when_quiet(capsys):
    model = of_transformers("BertForSequenceClassification")
    model.bert.requires_grad_(False)
    (dense,) = dense_groups(model, quiet=True)
    assert {id(p) for p in dense["params"]} == {id(p) for p in model.classifier.parameters()}
    assert capsys.readouterr().err == ""
    with pytest.raises(ValueError, match="layers must be"):
        dense_groups(model, layers="all")
