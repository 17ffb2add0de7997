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


def test_labels_of_pairs_that_are_ignored_do_not_count():
    inputs, targets = torch.randn(8, 3), torch.tensor([0, 1, 2, 0] + 4 * [-100])
    found, half = (
        answer(nn.Identity(), pair) for pair in ((inputs, targets), (inputs[:4], targets[:4]))
    )
    assert torch.equal(found.labels, half.labels) and torch.equal(found.logits, half.logits)
    assert torch.equal(found.loss, half.loss) and found.size == 4


def test_ignored_labels_of_samples_in_mappings_do_not_count():
    batch = {"logits": torch.eye(3), "labels": torch.tensor([0, -100, 2])}
    found = answer(Echo(), batch)
    assert found.labels.tolist() == [0, 2] and found.size == 2


def test_pairs_with_a_label_for_each_pixel_are_counted_by_pixel():
    logits, targets = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    targets[0, 0] = -100
    found = answer(nn.Identity(), (logits, targets))
    assert found.size == 35 and found.logits.shape == (35, 3)
    by_hand = -found.logits.log_softmax(1)[torch.arange(35), found.labels].mean()
    assert float(found.loss) == pytest.approx(float(by_hand))


def test_answers_are_not_compared_with_targets_of_another_shape():
    with pytest.raises(ValueError, match=r"shape \[4, 1\] do not fit targets of shape \[4\]"):
        answer(nn.Identity(), (torch.zeros(4, 1), torch.zeros(4)))
