"""Names data whose token numbers or labels a model does not have, when they are first read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from nanocl.integrations.answers import answer
from nanocl.training.lookups import LookedUp, OutOfVocabulary


@contextmanager
def fitting(model: nn.Module, batches: Iterable[Any], name: str) -> Iterator[None]:
    """Within the block, numbers that the model does not have raise an error with their data.

    Args:
        model: The model.
        batches: The mini-batches that are answered in the block; they are read after an error only.
        name: Name of the data.

    Raises:
        ValueError: Which data have which token number or label.
    """
    try:
        with LookedUp(model):
            yield
    except OutOfVocabulary as error:
        raise ValueError(
            _largest(model, batches, name) or f"{name} does not fit: {error}"
        ) from error
    except IndexError as error:
        raise ValueError(
            f"{name} does not fit the model ({str(error).rstrip('.')}); labels must be numbers of "
            "its outputs, and samples must not be longer than it takes"
        ) from error


def _largest(model: nn.Module, batches: Iterable[Any], name: str) -> str:
    """The sentence about the wrong token numbers of all mini-batches; empty without one."""
    found: list[tuple[OutOfVocabulary, bool]] = []
    with LookedUp(model):
        for batch in batches:
            try:
                answer(model, batch)
            except OutOfVocabulary as wrong:
                found.append((wrong, _is_extreme(wrong.number, batch)))
            except IndexError:  # a wrong label of samples with right tokens
                continue
    if not found:  # samples that are others at each reading
        return ""
    choose = max if any(wrong.number >= wrong.size for wrong, _ in found) else min
    error, is_token = choose(found, key=lambda one: one[0].number)
    return error.about(name, is_token=is_token)


def _is_extreme(number: int, batch: Any) -> bool:
    """Whether this is the largest or smallest number of a field, and not one that the model made.

    Such are numbers of positions: any small one stands in the data, too.
    """
    fields = batch.values() if isinstance(batch, Mapping) else batch
    tensors = [field for field in fields if isinstance(field, Tensor) and field.numel()]
    extremes = [one.aminmax() for one in tensors if not one.is_floating_point()]
    return any(number in (int(smallest), int(largest)) for smallest, largest in extremes)
