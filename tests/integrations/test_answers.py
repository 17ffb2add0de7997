"""The answer on a mini-batch, as the formulas of the loss give it."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nanocl.integrations.answers import answer, is_causal


class Echo(nn.Module):
    """Returns its inputs as logits."""

    def forward(self, logits, labels=None, attention_mask=None):
        return SimpleNamespace(logits=logits, loss=None)


class EchoForCausalLM(Echo):
    pass


def test_inputs_and_classes_have_the_mean_cross_entropy():
    inputs, targets = torch.tensor([[0.0, 1.0], [2.0, 0.0]]), torch.tensor([1, 1])
    found = answer(nn.Identity(), (inputs, targets))
    by_hand = -(inputs.log_softmax(1)[0, 1] + inputs.log_softmax(1)[1, 1]) / 2
    assert float(found.loss) == pytest.approx(float(by_hand)) and found.size == 2


def test_a_causal_model_answers_the_next_token_and_ignored_labels_do_not_count():
    logits = torch.arange(12.0).view(1, 4, 3)
    batch = {"logits": logits, "labels": torch.tensor([[0, 2, -100, 1]])}
    found = answer(EchoForCausalLM(), batch)
    assert found.labels.tolist() == [2, 1] and torch.equal(found.logits, logits[0, [0, 2]])
    assert answer(Echo(), batch).labels.tolist() == [0, 2, 1]
    assert is_causal(EchoForCausalLM()) and not is_causal(Echo())


def test_without_labels_the_attention_mask_says_which_tokens_count():
    logits = torch.arange(12.0).view(1, 4, 3)
    batch = {"logits": logits, "attention_mask": torch.tensor([[1, 1, 0, 0]])}
    assert torch.equal(answer(Echo(), batch).logits, logits[0, :2])
