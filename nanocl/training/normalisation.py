"""Running statistics of normalisation layers, kept for each task label."""

from __future__ import annotations

from torch import Tensor, nn


class RunningStatistics:
    """The running statistics that each task label was trained with, restored for its test.

    Attributes:
        kept: Task label (as text) to the statistics by buffer name.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.kept: dict[str, dict[str, Tensor]] = {}
        self._aside: dict[str, Tensor] = {}
        self._training: int | None = None  # the label whose statistics the model has and changes

    def begin(self, label: int) -> None:
        """Load the statistics of this task label, which is about to be trained."""
        self._training = label
        self.put(label)

    def keep(self, label: int) -> None:
        """Store the model's statistics as those of this task label, whose training has ended."""
        self._training = None
        self.kept[str(label)] = {
            name: buffer.clone() for name, buffer in statistics_of(self.model).items()
        }

    def put(self, label: int) -> None:
        """Load the statistics of this task label; without any, the model keeps its own."""
        self._copy(self.kept.get(str(label), {}))

    def lend(self, label: int) -> None:
        """Load them until `take_back`; those of the label in training are the model's own."""
        self._aside = {name: buffer.clone() for name, buffer in statistics_of(self.model).items()}
        if label != self._training:
            self.put(label)

    def take_back(self) -> None:
        """Restore the statistics from before `lend`."""
        self._copy(self._aside)

    def _copy(self, values: dict[str, Tensor]) -> None:
        for name, buffer in statistics_of(self.model).items():
            if name in values:
                buffer.copy_(values[name])


def statistics_of(model: nn.Module) -> dict[str, Tensor]:
    """The running means, variances and counts of a model, by name."""
    return {
        f"{path}.{name}": buffer
        for path, layer in tracking(model)
        for name, buffer in layer.named_buffers(recurse=False)
    }


def tracking(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers of a model that keep running statistics, with their names."""
    return [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.running_mean is not None
    ]
