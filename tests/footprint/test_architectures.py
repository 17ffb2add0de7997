"""The architectures have the published sizes and the names and shapes of transformers and timm."""

import json

import pytest
import torch

from nanocl.footprint import models
from nanocl.footprint.architectures import BUNDLED, Weight, from_config, from_file
from nanocl.records import UserError

PUBLISHED = {
    "vit-l-16": 304_326_632,
    "bert-base": 109_482_240,
    "bert-large": 335_141_888,
    "opt-1.3b": 1_315_758_080,
    "llama-2-7b": 6_738_415_616,
    "llama-3.2-3b": 3_212_749_824,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_bundled_architectures_have_the_published_number_of_parameters(name):
    assert sum(weight.numel for weight in models.weights_of(name)) == PUBLISHED[name]


def test_vit_has_the_parameters_of_timm_in_name_shape_and_order():
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        model = timm.create_model("vit_large_patch16_224")
    real = [(name, tuple(p.shape)) for name, p in model.named_parameters()]
    assert [(weight.name, weight.shape) for weight in models.weights_of("vit-l-16")] == real


@pytest.mark.parametrize("name", sorted(set(BUNDLED) - {"vit-l-16"}))
@pytest.mark.parametrize("outputs", [0, 3])
def test_language_models_have_the_parameters_of_transformers_in_name_shape_and_order(
    name, outputs, tmp_path
):
    transformers = pytest.importorskip("transformers")
    sizes = {"num_attention_heads": 16, **BUNDLED[name]}
    config = transformers.AutoConfig.for_model(**sizes, num_labels=outputs or 2, pad_token_id=0)
    whole = {"bert": "BertModel", "opt": "OPTForCausalLM", "llama": "LlamaForCausalLM"}
    kind = whole[sizes["model_type"]]
    if outputs:
        stem = kind.removesuffix("Model").removesuffix("ForCausalLM")
        kind = f"{stem}ForSequenceClassification"
    with torch.device("meta"):
        model = getattr(transformers, kind)(config)
    real = [
        (name.removeprefix("model.").removeprefix("bert."), tuple(p.shape))
        for name, p in model.named_parameters()
    ]
    config.save_pretrained(tmp_path)
    from_disk = from_file(str(tmp_path / "config.json"), outputs)
    for weights in (from_config(BUNDLED[name], outputs), from_disk):
        assert [(weight.name, weight.shape) for weight in weights] == real


def test_the_norms_and_the_output_layer_of_llama_have_their_roles():
    weights = models.weights_of("llama-2-7b")
    norms = sum(weight.numel for weight in weights if weight.role == "norm")
    head = sum(weight.numel for weight in weights if weight.role == "head")
    assert (norms, head) == ((2 * 32 + 1) * 4096, 32000 * 4096)


def test_an_output_layer_tied_to_the_embedding_is_not_counted_again():
    assert not any(weight.role == "head" for weight in models.weights_of("llama-3.2-3b"))
    classifier = [
        weight for weight in models.weights_of("llama-3.2-3b", outputs=2) if weight.role == "head"
    ]
    assert [weight.shape for weight in classifier] == [(2, 3072)]


@pytest.mark.parametrize(
    ("weight", "options", "expected"),
    [
        (Weight("a.weight", (3, 4)), {}, True),
        (Weight("a.bias", (3,)), {}, False),
        (Weight("a.weight", (3, 4, 2, 2)), {}, False),
        (Weight("a.weight", (3, 4, 2, 2)), {"convolutions": True}, True),
        (Weight("a.weight", (3, 4), "input"), {}, False),
        (Weight("a.weight", (3, 4), "input"), {"input_layer": True}, True),
        (Weight("a.weight", (3, 4), "head"), {"input_layer": True}, False),
        (Weight("a.weight", (3, 4), "embedding"), {"input_layer": True}, False),
    ],
    ids=str,
)
def test_a_matrix_is_a_hidden_weight_of_two_dimensions_unless_options_add_others(
    weight, options, expected
):
    assert weight.is_matrix(**options) is expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt5"}, "model_type must be one of bert, opt"),
        ({"hidden_size": None}, "hidden_size"),
        ({"vocab_size": "many"}, "got 'many'"),
        ({"num_hidden_layers": 0}, "got 0"),
    ],
)
def test_a_config_with_a_wrong_size_is_refused(tmp_path, change, message):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**BUNDLED["bert-base"], **change}))
    with pytest.raises(UserError, match=message):
        from_file(str(path))
