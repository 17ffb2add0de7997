"""An embedding that is asked for a row that it does not have says which one."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class OutOfVocabulary(IndexError):
    """An embedding has no row of this number.

    Attributes:
        layer: Name of the embedding in the model.
        size: Its rows.
        number: The largest number that it got, or the smallest if only that is wrong.
    """

    def __init__(self, layer: str, size: int, number: int) -> None:
        super().__init__(f"the embedding {layer} has {size} rows, got the number {number}")
        self.layer, self.size, self.number = layer, size, number

    def about(self, data: str, *, is_token: bool) -> str:
        """The sentence for the caller.

        Args:
            data: Name of the data set.
            is_token: Whether the number stands in the data; else the model made it of them.
        """
        if not is_token:
            return f"{data} does not fit the model ({self}): its samples may be too long"
        kind = "largest" if self.number >= self.size else "smallest"
        return (
            f"the {kind} token number of {data} is {self.number}, but the model has a vocabulary "
            f"of {self.size}, numbers 0 to {self.size - 1} (layer {self.layer}); make the "
            "token numbers with the tokenizer of the model"
        )


class LookedUp(TorchFunctionMode):
    """Within the block, a wrong number raises OutOfVocabulary, also in embeddings without a layer.

    torch's own error names nothing; on a GPU it also ends all later work of the process there.

    Args:
        model: Names the embedding.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (functional.embedding, functional.embedding_bag):
            self._check(*args[:2])
        return func(*args, **(kwargs or {}))

    def _check(self, index: Tensor, rows: Tensor) -> None:
        if not index.numel() or index.is_floating_point():  # a bag takes both in either order
            return
        try:
            smallest, largest = (int(number) for number in index.aminmax())
        except RuntimeError:  # nested tensors, those within vmap: torch tells no values of them
            return
        if smallest < 0 or largest >= len(rows):
            names = (name for name, one in self._model.named_parameters() if one is rows)
            layer = next(names, "of the model").removesuffix(".weight")
            number = largest if largest >= len(rows) else smallest
            raise OutOfVocabulary(layer, len(rows), number)
