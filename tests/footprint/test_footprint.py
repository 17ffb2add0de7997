"""Predicted bytes equal those counted on real instances; the architectures have the published numbers of parameters."""

import json

import pytest
import torch
from torch import nn

from nanocl.footprint import adamw8bit, footprint, models, optimizers, paper, state_bytes_of
from nanocl.footprint.architectures import BUNDLED, Weight, from_config, from_file
from nanocl.optim import MicroAdam, NanoAdam
from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError
from nanocl.training.measure import tensor_bytes

PUBLISHED = {
    "vit-l-16": 304_326_632,
    "bert-base": 109_482_240,
    "bert-large": 335_141_888,
    "opt-1.3b": 1_315_758_080,
    "llama-2-7b": 6_738_415_616,
    "llama-3.2-3b": 3_212_749_824,
}
SHAPES = [
    (),
    (1,),
    (7,),
    (3, 5),
    (255,),
    (128, 256),
    (32769,),
    (181, 182),
    (3, 32768),
    (16, 3, 3, 3),
]
GIB = 2**30


def network(name: str, inputs: tuple[int, ...], outputs: int, **options: object) -> nn.Module:
    """A model as a run builds it, with data."""
    from nanocl.training.heads import Network

    part = Catalogue().complete("models", name, options)
    return Network(
        catalogue.load(Catalogue().plugin("models", name))(inputs, **part.options), outputs=outputs
    )


def counted_each(optimizer: torch.optim.Optimizer) -> list[int]:
    """Bytes of the tensors in the state of each parameter of a real optimizer, after two random gradients."""
    params = [param for group in optimizer.param_groups for param in group["params"]]
    for _ in range(2):
        for param in params:
            param.grad = torch.randn_like(param)
        optimizer.step()
    return [
        sum(
            value.numel() * value.element_size()
            for value in optimizer.state[param].values()
            if isinstance(value, torch.Tensor)
        )
        if param in optimizer.state
        else 0
        for param in params
    ]


def counted(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of the tensors in the state of a real optimizer."""
    return sum(counted_each(optimizer))


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
    given = {
        "num_attention_heads": 16,
        **BUNDLED[name],
        "num_labels": outputs or 2,
        "pad_token_id": 0,
    }
    config = transformers.AutoConfig.for_model(**given)
    whole = {"bert": "BertModel", "opt": "OPTForCausalLM", "llama": "LlamaForCausalLM"}[
        given["model_type"]
    ]
    kind = (
        whole.removesuffix("Model").removesuffix("ForCausalLM") + "ForSequenceClassification"
        if outputs
        else whole
    )
    with torch.device("meta"):
        model = getattr(transformers, kind)(config)
    real = [
        (name.removeprefix("model.").removeprefix("bert."), tuple(p.shape))
        for name, p in model.named_parameters()
    ]
    config.save_pretrained(tmp_path)
    for weights in (
        from_config(BUNDLED[name], outputs),
        from_file(str(tmp_path / "config.json"), outputs),
    ):
        assert [(weight.name, weight.shape) for weight in weights] == real


def test_norms_and_output_layer_of_llama_are_known():
    found = {
        role: sum(w.numel for w in models.weights_of("llama-2-7b") if w.role == role)
        for role in ("norm", "head")
    }
    assert found == {"norm": (2 * 32 + 1) * 4096, "head": 32000 * 4096}


def test_an_output_layer_tied_to_the_embedding_is_not_counted_again():
    assert not any(weight.role == "head" for weight in models.weights_of("llama-3.2-3b"))
    classifier = [
        weight for weight in models.weights_of("llama-3.2-3b", outputs=2) if weight.role == "head"
    ]
    assert [weight.shape for weight in classifier] == [(2, 3072)]


def test_the_paper_accounting_of_llama_2_7b_is_reproduced():
    sizes = [account.bytes / GIB for account in paper.accounts(models.weights_of("llama-2-7b"))]
    assert sizes[:4] == pytest.approx([25.1, 12.55, 5.65, 0.3765], rel=5e-4)


def test_the_runs_of_the_paper_need_ten_times_the_density_and_dense_layers():
    every, dense = 6_738_415_616, 32000 * 4096 + 65 * 4096
    account = paper.accounts(models.weights_of("llama-2-7b"))[3]
    assert account.run_bytes == pytest.approx(0.1 * (every - dense) * (2 + 2 + 2) + dense * (2 + 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"moment_policy": "reset"},
        {"moment_policy": "slot", "state_dtype": "bfloat16"},
        {"density": 0.0},
        {"density": 1.0},
        {"density": 0.013, "chunk_size": 1000},
        {"chunk_size": None, "mask_interval": 1},
        {"density": 0.07, "chunk_size": 40000},
        {"select": "random", "mask_interval": 1},
        {"fused": None},
        {"density": 0.2, "final_density": 0.5, "total_steps": 1, "mask_interval": 1},
        {"select": "static-small", "state_dtype": "float64"},
    ],
    ids=str,
)
def test_nanoadam_stores_what_is_predicted(dtype, options):
    options = {
        "fused": False,
        **options,
    }  # the compiled kernel is asked for once, it takes seconds to compile
    params = [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in SHAPES]
    predicted = state_bytes_of(NanoAdam, options, dtype)
    assert [predicted(Weight("w", shape)) for shape in SHAPES] == counted_each(
        NanoAdam(params, **options)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"density": 0.3, "window": 3},
        {"quant_block": 100, "block_size": 1000},
        {"state_dtype": "float32"},
    ],
    ids=str,
)
def test_microadam_stores_what_is_predicted(dtype, options):
    params = [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in SHAPES]
    predicted = state_bytes_of(MicroAdam, options, dtype)
    assert [predicted(Weight("w", shape)) for shape in SHAPES] == counted_each(
        MicroAdam(params, **options)
    )


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
    found = footprint(weights, predicted, torch.float32)
    assert found.state == counted(strategy.make_optimizer(real))
    assert found.parameters == sum(p.numel() for p in real.parameters())
    assert found.weights == found.gradients == 4 * found.parameters


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        ("mlp", (20,)),
        ("resnet32", (3, 32, 32)),
        ("slim-resnet18", (3, 32, 32)),
        ("torchvision:resnet18", (3, 64, 64)),
        ("timm:vit_tiny_patch16_224", (3, 32, 32)),
    ],
)
def test_norms_and_output_layer_are_those_that_a_run_trains_densely(model, inputs):
    if model.startswith("timm"):
        pytest.importorskip("timm")
    from nanocl.libraries.groups import head_parameters, norm_parameters

    with torch.device("meta"):
        real = network(model, inputs, 10)
    weights = models.weights_of(model, inputs=inputs, outputs=10)
    assert {weight.name for weight in weights} == {name for name, _ in real.named_parameters()}
    assert {weight.name for weight in weights if weight.role == "norm"} == norm_parameters(real)
    assert {weight.name for weight in weights if weight.role == "head"} == head_parameters(real)


@pytest.mark.parametrize(
    ("name", "published"),
    [("resnet18", 11_689_512), ("vit_b_16", 86_567_656), ("regnet_y_400mf", 4_344_144)],
)
def test_torchvision_networks_have_their_published_number_of_parameters(name, published):
    assert sum(weight.numel for weight in models.weights_of(f"torchvision:{name}")) == published


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
def test_an_optimizer_of_matrices_gets_those_that_it_gets_in_a_run(name, options):
    assert_predicted_as_in_a_run(name, options, "mlp", (1, 12, 12), {"depth": 3})


@pytest.mark.parametrize("name", ["torch:Muon", "pytorch-optimizer:Muon"])
def test_the_matrices_of_a_network_with_loose_parameters_are_those_of_a_run(name):
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
    tensors = [
        v
        for state in optimizer.state.values()
        for held in state.values()
        for v in (vars(held).values() if hasattr(held, "ortho_matrix") else [held])
        if torch.is_tensor(v)
    ]
    predicted, _ = optimizers.resolve(name, options, torch.float32)
    weights = models.weights_of(model, inputs=inputs, outputs=10, options=chosen)
    assert footprint(weights, predicted, torch.float32).state == sum(
        v.numel() * v.element_size() for v in tensors
    )


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


def test_adamw8bit_is_what_torchao_stores():
    torchao = pytest.importorskip("torchao.optim")
    shapes = [(64, 64), (1024, 100), (65, 65), (256,), (12288,)]
    params = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    optimizer = torchao.AdamW8bit(params)
    for param in params:
        param.grad = torch.randn_like(param)
    with torch.compiler.set_stance("force_eager"):
        optimizer.step()
    real = [sum(map(own_bytes, optimizer.state[param].values())) for param in params]
    assert [adamw8bit(torch.float32)(Weight("w", shape)) for shape in shapes] == real
    assert [tensor_bytes(optimizer.state[param]) for param in params] == real


def own_bytes(value: torch.Tensor) -> int:
    """Bytes of a plain tensor, or of the three that an 8-bit one is made of."""
    parts = [value.codes, value.scale, value.qmap] if hasattr(value, "codes") else [value]
    return sum(part.numel() * part.element_size() for part in parts)


def test_an_optimizer_whose_state_the_data_decides_is_refused():
    class Fickle(torch.optim.SGD):
        def step(self, closure=None):
            param = self.param_groups[0]["params"][0]
            self.state[param] = {"large": torch.empty(0)}
            self.state[param]["large"] = param.grad[param.grad.abs() > 0.001].clone()

    with pytest.raises(UserError, match="Fickle cannot be predicted"):
        state_bytes_of(Fickle, {}, torch.float32)(Weight("w", (30, 20)))


def test_frozen_weights_have_neither_gradient_nor_state():
    weights = [Weight("a", (10, 10)), Weight("b", (1000,), "frozen")]
    found = footprint(
        weights, state_bytes_of(torch.optim.SGD, {"momentum": 0.9}, torch.float32), torch.float32
    )
    assert (found.parameters, found.weights, found.gradients, found.state) == (1100, 4400, 400, 400)
    assert found.total == 5200


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({"state_dtype": "bfloat16", "moment_policy": "reset"}, 0.62),
        ({"state_dtype": "bfloat16"}, 0.82),
        ({"state_dtype": "bfloat16", "moment_policy": "reset", "density": 0.01}, 0.065),
        ({"state_dtype": "bfloat16", "density": 0.01}, 0.085),
    ],
    ids=str,
)
def test_compact_state_takes_the_promised_bytes_a_parameter(options, bound):
    weight = Weight("w", (4096, 4096))
    found = state_bytes_of(NanoAdam, options, torch.float32)(weight) / weight.numel
    assert 0.9 * bound < found <= bound


def test_microadam_takes_the_promised_bytes_a_parameter():
    weight = Weight("w", (4096, 4096))
    assert 0.96 < state_bytes_of(MicroAdam, {}, torch.float32)(weight) / weight.numel <= 0.97


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt5"}, "model_type must be one of bert, opt"),
        ({"hidden_size": None}, "hidden_size"),
        ({"vocab_size": "many"}, "got 'many'"),
        ({"num_hidden_layers": 0}, "got 0"),
    ],
)
def test_a_config_file_that_describes_nothing_is_refused(tmp_path, change, message):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**BUNDLED["bert-base"], **change}))
    with pytest.raises(UserError, match=message):
        from_file(str(path))
