"""Merged weights of layers with adapters of PEFT."""

import pytest
import torch
from torch import nn

from nanocl.training import adapters
from nanocl.training.adapters import bare_name
from nanocl.training.measure import Meter

peft = pytest.importorskip("peft")


@pytest.fixture(params=[{}, {"use_dora": True}, {"init_lora_weights": "pissa"}], ids=str)
def network(request):
    """Two linear layers and a norm; the first layer has an adapter that is not zero."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3))
    peft.inject_adapter_in_model(peft.LoraConfig(r=2, target_modules=["0"], **request.param), made)
    with torch.no_grad():
        made[0].lora_B["default"].weight.normal_()
    return made


def test_the_merged_weight_computes_what_the_layer_with_its_adapter_computes(network):
    inputs = torch.randn(5, 6)
    before = {name: p.clone() for name, p in network.state_dict().items()}
    merged = adapters.merged_weights(adapters.adapted(network))["0.weight"]
    expected = network[0](inputs).detach()
    got = nn.functional.linear(inputs, merged, network[0].get_base_layer().bias)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    assert not torch.equal(merged, network[0].get_base_layer().weight)
    assert all(torch.equal(p, before[name]) for name, p in network.state_dict().items())


def test_a_snapshot_has_every_weight_by_its_bare_name_and_no_factor(network):
    found = adapters.snapshot(network)
    assert {*found} == {"0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"}
    merged = adapters.merged_weights(adapters.adapted(network))
    assert torch.equal(found["0.weight"], merged["0.weight"])


def attention_by_hand(inputs, weights, bias):
    """One head of self-attention (Vaswani et al., 2017, equation 1) in plain operations."""
    query, key, value = (inputs @ weights["0.in_proj_weight"].T + bias["0.in_proj_bias"]).chunk(
        3, -1
    )
    mixed = (query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5).softmax(-1) @ value
    return mixed @ weights["0.out_proj.weight"].T + bias["0.out_proj.bias"]


def with_attention():
    """An attention layer of torch with an adapter that is not zero, and a linear layer."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.MultiheadAttention(8, 1, batch_first=True), nn.Linear(8, 3))
    peft.inject_adapter_in_model(peft.LoraConfig(r=2, target_modules=["0"]), made)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    return made


def test_the_merged_weights_of_torchs_attention_compute_what_it_computes_with_its_adapter():
    network, inputs = with_attention(), torch.randn(2, 5, 8)
    before = adapters.snapshot(network)
    base = adapters.base_weights(adapters.adapted(network))
    expected = network[0](inputs, inputs, inputs)[0].detach()
    torch.testing.assert_close(attention_by_hand(inputs, before, before), expected)
    assert {*base} == {"0.in_proj_weight", "0.out_proj.weight"}
    assert not any(torch.allclose(base[name], before[name]) for name in base)
    after = adapters.snapshot(network)
    assert {*after} == {*before} and not any("lora" in name for name in after)
    torch.testing.assert_close(after, before)


def test_the_adapters_inside_of_torchs_attention_count_as_state():
    network = with_attention()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    cost = adapters.counted(Meter().cost(network, optimizer, [], workers=1), network)
    assert cost.parameters == 3 * 8 * 8 + 3 * 8 + 8 * 8 + 8 + 8 * 3 + 3
    assert cost.optimizer_state_bytes == 4 * 2 * (8 + 3 * 8 + 8 + 8)


def test_a_bias_that_an_adapter_adds_is_merged_too():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3))
    config = peft.LoraConfig(r=2, target_modules=["0"], lora_bias=True)
    peft.inject_adapter_in_model(config, network)
    with torch.no_grad():
        network[0].lora_B["default"].bias.normal_()
    inputs = torch.randn(5, 6)
    found = adapters.snapshot(network)
    got = nn.functional.linear(inputs, found["0.weight"], found["0.bias"])
    torch.testing.assert_close(got, network[0](inputs).detach())


def test_all_weights_count_as_trained_and_adapters_as_state(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    cost = adapters.counted(Meter().cost(network, optimizer, [], workers=1), network)
    lengths = 8 if any(network[0].use_dora.values()) else 0  # of DoRA, one for each output
    assert cost.parameters == 6 * 8 + 8 + 2 * 8 + 8 * 3 + 3
    assert cost.optimizer_state_bytes == 4 * (2 * (6 + 8) + lengths)
    assert cost.state_bytes_per_parameter == cost.optimizer_state_bytes / cost.parameters


def test_names_lose_what_peft_adds_and_nothing_else():
    assert bare_name("base_model.model.bert.query.base_layer.weight") == "bert.query.weight"
    assert bare_name("base_model.model.head.modules_to_save.default.bias") == "head.bias"
    assert bare_name("buffer:base_model.model.norm.running_mean") == "buffer:norm.running_mean"
    assert bare_name("base_model.weight") == "base_model.weight"
