"""The rest of an interrupted epoch: drawn as before, trained from where it stopped."""

import torch

from nanocl.training import randomness
from nanocl.training.epochs import Rest, Resumption


class Drawn:
    """Mini-batches in the order of a generator of their own, with noise of the global one."""

    name = "drawn"

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def __len__(self):
        return 5

    def __iter__(self):
        for row in torch.randperm(5, generator=self.generator).tolist():
            yield row, torch.rand(1).item()


def test_the_rest_has_the_mini_batches_that_the_epoch_would_have_had():
    batches, before = Drawn(), []
    epochs = []
    for _ in range(3):
        before.append(randomness.state())
        epochs.append(list(batches))
        torch.rand(7)  # what training draws after an epoch
    # interrupted in the third epoch, after two mini-batches
    randomness.restore(before[2])
    torch.rand(2)
    at_stop = randomness.state()
    begun = []
    resumption = Resumption(2, 2, before[2], lambda: None, at_stop, lambda: begun.append(1))
    torch.rand(11)  # another process draws something else
    rest = Rest(Drawn(), resumption)
    assert list(rest) == epochs[2][2:]
    assert len(rest) == 5 and rest.name == "drawn" and begun == [1]
