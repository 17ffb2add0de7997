"""Tiny models, data and plain formulas for tests of measurements inside of trainings."""

import math

import torch
from torch import nn

WORDS, LENGTH = 20, 6
SIZES = {
    "vocab_size": WORDS,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": LENGTH,
}


class Rows(list):
    """A data set: a list of samples."""


def classified(count=16, seed=0, classes=2):
    """Token numbers with a label: how many words lie in the upper half, as a class."""
    generator = torch.Generator().manual_seed(seed)
    rows = Rows()
    for _ in range(count):
        ids = torch.randint(1, WORDS, (LENGTH,), generator=generator)
        label = int((ids >= WORDS // 2).sum()) % classes
        mask = torch.ones(LENGTH, dtype=torch.long)
        rows.append({"input_ids": ids, "attention_mask": mask, "labels": label})
    return rows


def written(count=12, seed=0):
    """Texts for a language model, the last two tokens of every other one padding."""
    rows = Rows()
    for number, row in enumerate(classified(count, seed)):
        mask = row["attention_mask"].clone()
        labels = row["input_ids"].clone()
        if number % 2:
            mask[-2:], labels[-2:] = 0, -100
        rows.append({"input_ids": row["input_ids"], "attention_mask": mask, "labels": labels})
    return rows


def vectors(count=24, seed=0):
    """(input, class) pairs."""
    inputs = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))
    return [(one, int(one[0] > 0)) for one in inputs]


def plain_network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))


def tiny_bert(transformers, labels=2):
    config = transformers.BertConfig(**SIZES, num_labels=labels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.BertForSequenceClassification(config)


def tiny_llama(transformers, tied=False):
    config = transformers.LlamaConfig(**SIZES, tie_word_embeddings=tied)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.LlamaForCausalLM(config)


def copied(model):
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def plain_l2(before, after):
    """Distance of two lots of weights, one number at a time."""
    total = 0.0
    for name, tensor in before.items():
        for old, new in zip(tensor.flatten().tolist(), after[name].flatten().tolist(), strict=True):
            total += (new - old) ** 2
    return math.sqrt(total)


def plain_kl(before, after):
    """Mean over rows of sum_c p_c log(p_c / q_c)."""
    total = 0.0
    for old, new in zip(before.tolist(), after.tolist(), strict=True):
        p, q = softmax(old), softmax(new)
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return total / len(before)


def softmax(row):
    powers = [math.exp(x - max(row)) for x in row]
    return [power / sum(powers) for power in powers]
