"""Samples are read in their order, in mini-batches, with the fields that the model takes."""

import torch
from torch import nn
from training_cases import plain_network, vectors

from nanocl.integrations.facts import Digest
from nanocl.integrations.reader import Reader


def sizes(reader, **options):
    return [len(labels) for _, labels in reader.batches(plain_network(), vectors(7), **options)]


def test_the_first_samples_are_read_in_mini_batches_of_the_reader_or_of_the_call():
    assert sizes(Reader(3)) == [3, 3, 1]
    assert sizes(Reader(3), most=4) == [3, 1]
    assert sizes(Reader(3), size=5) == [5, 2]


def test_a_model_of_named_arguments_gets_no_other_field_and_the_fingerprint_has_none():
    class Named(nn.Linear):
        def forward(self, inputs, mask=None):
            return super().forward(inputs)

    row = {"inputs": torch.zeros(4), "label": 1}
    digests = [Digest(), Digest()]
    for digest, extra in zip(digests, ({}, {"text": "a word"}), strict=True):
        (batch,) = Reader().batches(Named(4, 2), [{**row, **extra}], digest=digest)
        assert set(batch) == {"inputs", "label"}
    assert str(digests[0]) == str(digests[1]) != ""
