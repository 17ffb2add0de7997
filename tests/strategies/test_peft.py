"""`peft:LoRA`: what it trains, its arithmetic, and what the instruments see."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError
from nanocl.strategies.peft import Peft
from nanocl.testing import SmallBackbone, run, small_learner, small_stream
from nanocl.training.adapters import counted, snapshot
from nanocl.training.heads import Network
from nanocl.training.measure import Meter
from nanocl.training.round_trip import obstacle

pytest.importorskip("peft")
WEIGHT = "backbone.1.weight"


def test_the_text_after_the_colon_names_the_method():
    complete = Catalogue().complete("strategies", "peft:LoRA", {"r": 2, "lr": 0.25})
    optimizer = (
        Catalogue().make("strategies", complete).make_optimizer(Network(SmallBackbone(), outputs=4))
    )
    assert optimizer.param_groups[0]["lr"] == 0.25
    with pytest.raises(ValueError, match="method must be one of LoRA, got 'Lora'"):
        Peft(method="Lora")


@pytest.mark.parametrize("dense", ["head", "norms+head", "none"])
@pytest.mark.parametrize("scenario", ["class", "domain"])
def test_all_but_adapters_and_dense_layers_keep_every_bit(dense, scenario):
    stream = small_stream(scenario)
    learner = small_learner(stream, [Peft(lr=0.01, r=2, dense=dense)])
    start = snapshot(learner.model)
    run(learner, stream)
    now = snapshot(learner.model)
    moved = {name for name in now if not torch.equal(now[name], start[name])}
    dense_names = {"norms": {"backbone.2.weight", "backbone.2.bias"}} | {
        "head": {"head.weight", "head.bias"}
    }
    expected = {WEIGHT}.union(*(dense_names[part] for part in dense.split("+") if part != "none"))
    assert {name for name in moved if not name.startswith("buffer:")} == expected
    values = torch.linalg.svdvals((now[WEIGHT] - start[WEIGHT]).double())
    assert values[1] > 1e-3 and values[2] < 1e-5 * values[0] + 1e-6


class Change(nn.Module):
    """W + scale * B A, as equation 3 of the paper has it."""

    def __init__(self, a: torch.Tensor, outputs: int, scale: float) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(a), nn.Parameter(torch.zeros(outputs, len(a)))
        self.scale = scale

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.detach() + self.scale * self.b @ self.a


@pytest.mark.parametrize(("rslora", "scale"), [(False, 6 / 3), (True, 6 / 3**0.5)])
def test_weights_are_those_of_the_papers_equation_in_a_plain_loop(rslora, scale):
    stream = small_stream("domain", experiences=1)
    strategy = Peft(lr=0.02, r=3, lora_alpha=6, use_rslora=rslora, dense="none")
    learner = small_learner(stream, [strategy], batch_size=10_000, epochs=4)
    begun = snapshot(learner.model)
    layer = learner.model.backbone[1]
    plain = copy.deepcopy(learner.model)
    plain.backbone[1] = copy.deepcopy(layer.get_base_layer())
    a = layer.lora_A["default"].weight.detach().clone()
    parametrize.register_parametrization(plain.backbone[1], "weight", Change(a, 12, scale))
    change = plain.backbone[1].parametrizations.weight[0]
    optimizer = torch.optim.AdamW([change.a, change.b], lr=0.02, weight_decay=0.0)
    images, labels, *_ = next(
        iter(torch.utils.data.DataLoader(stream.train_stream[0].dataset, batch_size=10_000))
    )
    for _ in range(4):
        optimizer.zero_grad()
        nn.functional.cross_entropy(plain.train()(images, 0), labels).backward()
        optimizer.step()
    run(learner, stream)
    merged = snapshot(learner.model)[WEIGHT]
    torch.testing.assert_close(merged, plain.backbone[1].weight.detach(), rtol=1e-4, atol=1e-6)
    assert (merged - begun[WEIGHT]).norm() > 0.1


def test_drift_and_cost_are_those_of_the_merged_weights():
    stream = small_stream()
    learner = small_learner(stream, [Peft(lr=0.01, r=2)])
    bare = small_learner(stream, [])
    start = snapshot(learner.model)[WEIGHT]
    outcome = run(learner, stream)
    drift = outcome.drift[-1]
    moved = (snapshot(learner.model)[WEIGHT] - start).double().norm().item()
    assert moved > 0.01
    assert drift.layers[WEIGHT][0] == pytest.approx(moved, rel=1e-6)
    assert {*drift.layers} == {name for name, _ in bare.model.named_parameters()}
    cost = Meter().cost(learner.model, learner.optimizer, learner.strategies, workers=1)
    cost = counted(cost, learner.model)
    alone = Meter().cost(bare.model, bare.optimizer, [], workers=1)
    assert cost.parameters == alone.parameters and counted(alone, bare.model) == alone
    factors = 2 * (16 + 12)  # of rank 2, of a 12 x 16 matrix; the head has 6 rows
    assert cost.optimizer_state_bytes == 4 * factors + 8 * (factors + 6 * 13) + 4 * 4
    assert cost.state_bytes_per_parameter == cost.optimizer_state_bytes / alone.parameters


def test_targets_are_ends_of_names_and_a_wrong_one_is_refused():
    model = Network(SmallBackbone(), outputs=4)
    with pytest.raises(ValueError, match="end with query; the model has: 1"):
        Peft(target_modules="query").make_optimizer(model)


def test_layers_inside_torchs_attention_are_refused_with_the_targets_that_train():
    backbone = SmallBackbone()
    backbone.add_module("layer", nn.TransformerEncoderLayer(4, 1))
    model = Network(backbone, outputs=4)
    with pytest.raises(ValueError, match="MultiheadAttention") as refused:
        Peft().make_optimizer(model)
    assert "as backbone.layer.self_attn; use peft.target_modules=1,linear1,linear2" in str(
        refused.value
    )
    Peft(target_modules="1,linear1,linear2").make_optimizer(model)
    assert not any("attn" in name for name, p in model.named_parameters() if p.requires_grad)
    with pytest.raises(ValueError, match="use the strategy lora"):
        Peft(target_modules="out_proj").make_optimizer(Network(backbone, outputs=4))


def test_adapters_inside_torchs_encoder_layer_are_evaluated():
    backbone = SmallBackbone()
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    backbone.add_module("layer", layer)
    model = Network(backbone, outputs=4)
    Peft(target_modules="linear1,linear2").make_optimizer(model)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    tokens = torch.randn(2, 3, 4)
    trained = layer.train()(tokens)  # without dropout the same as in evaluation
    torch.testing.assert_close(layer.eval()(tokens), trained)


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr("nanocl.strategies.peft.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package peft; install it with: .*\[peft\]"):
        Peft()


@pytest.mark.parametrize("options", [{}, {"use_dora": True}, {"init_lora_weights": "pissa"}])
def test_a_checkpoint_restores_it(options):
    assert obstacle(lambda: [Peft(r=2, **options)], "task", "accuracy") == ""
