"""An embedding that lacks a row says its name, its size and the number."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from nanocl.training.lookups import LookedUp, OutOfVocabulary


def test_layers_bags_and_functions_are_looked_at_within_the_block_only():
    words, bag = nn.Embedding(4, 2), nn.EmbeddingBag(3, 2)
    model = nn.ModuleDict({"words": words, "bag": bag})
    with LookedUp(model):
        assert torch.equal(words(torch.tensor([3])), words.weight[3:])
        with pytest.raises(OutOfVocabulary, match="embedding words has 4 rows, got the number 9"):
            words(torch.tensor([1, 9]))
        with pytest.raises(OutOfVocabulary, match="embedding bag has 3 rows, got the number -2"):
            bag(torch.tensor([[0, -2]]))
        with pytest.raises(OutOfVocabulary, match="of the model has 2 rows, got the number 2"):
            functional.embedding(torch.tensor([2]), torch.zeros(2, 2))
    with pytest.raises(IndexError, match="index out of range in self"):
        words(torch.tensor([9]))


@pytest.mark.filterwarnings("ignore:Argument order of nn.functional.embedding_bag")
def test_what_torch_takes_without_telling_values_is_not_refused():
    words, bag = nn.Embedding(4, 2), torch.randn(5, 2)
    rows = [torch.tensor([1, 2]), torch.tensor([3])]
    nested = torch.nested.nested_tensor(rows, layout=torch.jagged)
    with LookedUp(words):
        assert torch.equal(words(nested).values(), words.weight[1:])
        assert torch.equal(torch.vmap(words)(rows[0]), words.weight[1:3])
        assert functional.embedding_bag(bag, torch.tensor([[1, 4]])).shape == (1, 2)
