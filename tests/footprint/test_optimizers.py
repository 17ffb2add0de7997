"""Optimizers by name store what is predicted, with the parameter groups of a run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from state_counts import counted, network
from torch import nn

from nanocl import optim
from nanocl.footprint import footprint, models, optimizers, state_bytes_of
from nanocl.footprint.architectures import Weight
from nanocl.optim.groups import dense_groups
from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import Catalogue, UnknownPlugin
from nanocl.plugins.values import UnknownOption
from nanocl.records import UserError


@pytest.mark.parametrize(
    ("model", "inputs", "outputs", "chosen"),
    [
        ("mlp", (1, 28, 28), 10, {}),
        ("small-cnn", (3, 32, 32), 10, {"norm": "batch"}),
        ("slim-resnet18", (3, 32, 32), 7, {}),
        ("student", (20,), 1, {}),
    ],
)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("nanoadam", {}),
        ("nanoadam", {"density": 0.01, "dense": "none", "state_dtype": "bfloat16"}),
        ("mofo", {"density": 0.2, "state_dtype": "bfloat16"}),
        ("lift", {}),
        ("lift", {"moment_policy": "carry"}),
        ("nanoadam", {"dense": "norms"}),
        ("nanoadam", {"dense": "head", "moment_policy": "reset"}),
        ("microadam", {}),
        ("lora", {}),
        ("lora", {"dense": "norms+head", "rank": 3}),
        ("pafi", {}),
        ("pafi", {"dense": "none", "density": 0.03}),
        ("lift", {}),
        ("mofo", {}),
        ("classp", {}),
        ("cautious-adamw", {}),
        ("adamw", {}),
        ("adam", {}),
        ("adagrad", {}),
        ("sgd", {}),
        ("sgd", {"momentum": 0.9}),
    ],
    ids=str,
)
def test_a_strategy_in_a_run_stores_what_is_predicted(
    model, inputs, outputs, chosen, name, options
):
    part = Catalogue().complete("strategies", name, options)
    strategy = catalogue.load(Catalogue().plugin("strategies", name))(**part.options)
    real = network(model, inputs, outputs, **chosen)
    predicted, _ = optimizers.resolve(name, options, torch.float32)
    weights = models.weights_of(model, inputs=inputs, outputs=outputs, options=chosen)
    needs = footprint(weights, predicted, torch.float32)
    assert needs.state == counted(strategy.make_optimizer(real))
    assert needs.parameters == sum(p.numel() for p in real.parameters())
    assert needs.weights == needs.gradients == 4 * needs.parameters


def test_pafi_is_refused_where_the_bytes_depend_on_the_weights():
    weights = [Weight("large", (300, 300)), Weight("small", (20,))]
    predicted = state_bytes_of(optim.PaFi, {"chunk_size": None}, torch.float32)
    with pytest.raises(UserError, match=r"takes 10 or 12 bytes; use chunk_size=32768"):
        footprint(weights, predicted, torch.float32)


TINY_LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
}


@pytest.mark.parametrize("tied", [False, True])
def test_a_llama_of_transformers_stores_what_is_predicted_from_its_config(tmp_path, tied):
    transformers = pytest.importorskip("transformers")
    config = {**TINY_LLAMA, "tie_word_embeddings": tied}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    sizes = {name: value for name, value in config.items() if name != "model_type"}
    real = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes))
    optimizer = optim.NanoAdam(dense_groups(real, lr=1e-3, quiet=True), density=0.1)
    predicted, _ = optimizers.resolve("nanoadam", {"density": 0.1}, torch.float32)
    weights = models.weights_of(f"transformers:{file}")
    assert footprint(weights, predicted, torch.float32).state == counted(optimizer)


def test_norms_of_timm_store_what_is_predicted():
    pytest.importorskip("timm")
    model, inputs = "timm:convnext_atto_rms", (3, 64, 64)
    strategy = Catalogue().make("strategies", Catalogue().complete("strategies", "nanoadam", {}))
    predicted, _ = optimizers.resolve("nanoadam", {}, torch.float32)
    weights = models.weights_of(model, inputs=inputs, outputs=10)
    state = footprint(weights, predicted, torch.float32).state
    assert state == counted(strategy.make_optimizer(network(model, inputs, 10)))
    assert sum(weight.role == "norm" for weight in weights) == 17


@pytest.mark.parametrize(
    "name", ["Adadelta", "Adafactor", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_optimizer_of_torch_stores_what_is_predicted(name, dtype):
    shapes = [(64, 40), (100, 3, 3, 3), (40,)]
    predicted, _ = optimizers.resolve(f"torch:{name}", {}, dtype)
    real = getattr(torch.optim, name)(
        [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in shapes]
    )
    assert sum(predicted(Weight("w", shape)) for shape in shapes) == counted(real)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pytorch-optimizer:AdaFactor", {}),
        ("pytorch-optimizer:AdaFactor", {"beta1": 0.9}),
        ("pytorch-optimizer:Lion", {"beta1": 0.5}),
        ("torch:Muon", {}),
        ("torch:Muon", {"input_layer": True}),
        ("pytorch-optimizer:Muon", {}),
        ("pytorch-optimizer:Muon", {"input_layer": True}),
        ("pytorch-optimizer:AdaMuon", {}),
        ("pytorch-optimizer:NorMuon", {}),
        ("pytorch-optimizer:SpectralSphere", {}),
        ("pytorch-optimizer:GaLore", {}),
        *((f"pytorch-optimizer:{name}", {"rank": 5}) for name in ("GaLore", "Fira", "APOLLO")),
    ],
    ids=str,
)
def test_an_optimizer_of_matrices_gets_the_same_matrices_as_in_a_run(name, options):
    assert_predicted_as_in_a_run(name, options, "mlp", (1, 12, 12), {"depth": 3})


@pytest.mark.parametrize("name", ["torch:Muon", "pytorch-optimizer:Muon"])
def test_the_matrices_of_a_vision_transformer_are_those_of_a_run(name):
    pytest.importorskip("timm")
    assert_predicted_as_in_a_run(name, {}, "timm:vit_tiny_patch16_224", (3, 32, 32), {})


def assert_predicted_as_in_a_run(name, options, model, inputs, chosen):
    library = name.split(":")[0]
    if library != "torch":
        pytest.importorskip(library.replace("-", "_"))
    part = Catalogue().complete("strategies", name, options)
    strategy = catalogue.load(Catalogue().plugins("strategies")[library])(**part.options)
    optimizer = strategy.make_optimizer(network(model, inputs, 10, **chosen))
    counted(optimizer)
    stored = sum(sum(map(stored_bytes, state.values())) for state in optimizer.state.values())
    predicted, _ = optimizers.resolve(name, options, torch.float32)
    weights = models.weights_of(model, inputs=inputs, outputs=10, options=chosen)
    assert footprint(weights, predicted, torch.float32).state == stored


def stored_bytes(value: object) -> int:
    """Bytes of a tensor, or of the tensors of GaLore's projection."""
    held = vars(value).values() if hasattr(value, "ortho_matrix") else [value]
    return sum(one.numel() * one.element_size() for one in held if torch.is_tensor(one))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("SaRA", "depends on the weights' values"),
        ("LoRARite", "for a weight depends on the others"),
        ("MADGRAD", "keeps tensors that belong to no single weight"),
    ],
)
def test_an_optimizer_whose_state_does_not_follow_from_shapes_is_refused(name, reason):
    pytest.importorskip("pytorch_optimizer")
    predicted, _ = optimizers.resolve(f"pytorch-optimizer:{name}", {}, torch.float32)
    with pytest.raises(UserError, match=reason):
        predicted(Weight("w.weight", (100, 60)))


def test_galore_has_less_state_than_adam_by_its_rank():
    pytest.importorskip("pytorch_optimizer")
    predicted, complete = optimizers.resolve(
        "pytorch-optimizer:GaLore", {"rank": "8"}, torch.float32
    )
    assert complete["rank"] == 8
    assert predicted(Weight("w.weight", (100, 60))) == 4 * (2 * 100 * 8 + 60 * 8)
    assert (
        predicted(Weight("w.bias", (100,)))
        == predicted(Weight("e.weight", (10, 10), "embedding"))
        == 8 * 100
    )


def test_every_strategy_that_names_an_optimizer_class_is_resolved_without_avalanche():
    code = (
        "import sys, torch\n"
        "from nanocl.footprint import optimizers\n"
        "for name in optimizers.names():\n"
        "    if ':' not in name: optimizers.resolve(name, {}, torch.float32)\n"
        "print('lora' in optimizers.names(), 'avalanche' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["True", "False"]


def test_a_strategy_of_the_caller_is_counted_by_the_bytes_of_its_optimizer(tmp_path: Path):
    path = tmp_path / "half.py"
    path.write_text(
        "from torch.optim import SGD\nfrom nanocl.strategies import Strategy\n\n\n"
        "class _HalfMoment(SGD):\n"
        "    @staticmethod\n    def bytes_of(param, group):\n"
        "        return param.numel() // 2\n\n\n"
        "class Half(Strategy):\n    optimizer_class = _HalfMoment\n\n"
        "    def __init__(self, *, lr: float = 0.1) -> None:\n        super().__init__()\n"
        "        self.lr = lr\n\n"
        "    def make_optimizer(self, model):\n"
        "        return _HalfMoment(model.parameters(), lr=self.lr)\n"
    )
    predicted, options = optimizers.resolve("half", {}, torch.float32, Catalogue([path]))
    assert options == {"lr": 0.1} and predicted(Weight("w", (10, 10))) == 50


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("nanoadm", {}, UnknownPlugin, "did you mean 'nanoadam'"),
        ("ewc", {}, UserError, "no optimizer whose state size follows from parameter shapes"),
        ("torch:RMSprob", {}, UserError, "did you mean 'RMSprop'"),
        ("torch:Adam", {"betas1": 0.9}, UnknownOption, "did you mean 'betas'"),
        ("adamw8bit", {"lr": 1}, UnknownOption, "no option 'lr'"),
        ("nanoadam", {"dense": "heads"}, UserError, "did you mean 'head'"),
        ("torch:LBFGS", {}, UserError, "closure"),
    ],
)
def test_a_name_or_option_that_does_not_exist_is_an_error_with_a_hint(
    name, options, error, message
):
    with pytest.raises(error, match=message):
        predicted, _ = optimizers.resolve(name, options, torch.float32)
        predicted(Weight("w", (4, 4)))
