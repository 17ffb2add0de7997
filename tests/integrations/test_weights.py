"""Weights without wrappers, and what cannot be measured."""

import pytest
import torch
from torch import nn
from training_cases import plain_network

from nanocl.integrations import weights


def test_wrappers_are_taken_off_and_sharded_parameters_refused():
    network = plain_network()
    assert weights.bare(nn.DataParallel(network)) is network
    compiled = torch.compile(network)
    assert weights.bare(compiled) is network
    network[0].weight.full_tensor = lambda: None
    with pytest.raises(TypeError, match="sharded"):
        weights.bare(network)


def test_torchs_attention_with_an_adapter_has_merged_and_base_weights():
    peft = pytest.importorskip("peft")
    attention = nn.MultiheadAttention(8, 2)
    before = {name: p.detach().clone() for name, p in attention.named_parameters()}
    inner = nn.Sequential(attention, nn.Linear(8, 3))
    model = peft.get_peft_model(inner, peft.LoraConfig(r=2, target_modules=["0"]))
    with torch.no_grad():
        model.base_model.model[0].lora_B["default"].weight.fill_(0.5)
    found, base = weights.weights_of(model), weights.weights_without_adapters(model)
    assert {*found} == {*base} == {"0.in_proj_weight", "0.out_proj.weight"}
    assert torch.equal(base["0.in_proj_weight"], before["in_proj_weight"])
    layer = model.base_model.model[0]
    delta = layer.get_delta_weight("default")
    torch.testing.assert_close(found["0.in_proj_weight"], before["in_proj_weight"] + delta)


def test_frozen_parameters_are_left_out_and_bfloat16_becomes_float32():
    network = plain_network().to(torch.bfloat16)
    network[0].requires_grad_(False)
    found = weights.weights_of(network)
    assert {*found} == {"3.weight", "3.bias"} == weights.head_names(network)
    assert found["3.bias"].dtype == torch.float32 and not weights.has_adapters(network)
    assert torch.equal(found["3.bias"], network[3].bias.float())


def test_a_model_whose_weights_are_not_loaded_is_refused():
    with pytest.raises(TypeError, match=r"parameter weight is on the meta device, .* load the"):
        weights.bare(nn.Linear(2, 2, device="meta"))
