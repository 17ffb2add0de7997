"""A backbone with its output layer: which classes it can predict in each scenario.

Targets are class labels of the whole stream in every scenario, so an output always has one column
per class. A closed class has the score `CLOSED`, which does not change the softmax of the others
and passes no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from nanocl.data.transfer import moved
from nanocl.models._weights import fit
from nanocl.records import UserError
from nanocl.training.normalisation import tracking

NO_LABEL = -1
CLOSED = -1e4  # exp() of it is 0 in every float type, and it stays finite in float16
HEADS = {
    "class": ("seen", "all"),
    "task": ("own", "masked"),
    "domain": ("shared",),
}


class Network(MultiTaskModule):
    """Backbone and head; any Avalanche strategy can train it.

    Attributes:
        backbone: Inputs to features, shape (N, F).
        head: One linear layer, or for `own` one per experience.
        kind: `seen`, `all`, `masked`, `own` or `shared` (see `nanocl.records.Training.head`).
        groups: Classes of each task label, shape (labels, classes), bool.
        seen: Classes trained so far, shape (classes,), bool; written by `open`.
        closed: The other classes, bool; none before a first class is seen.
        frozen_statistics: Whether normalisation layers use their running statistics in training,
            too, and do not update them.
        precision: Type of the weights.
        autocast: Type in which float32 weights compute where that is safe; None: their own.
        compiled: Computes the features from backbone and inputs; None: the backbone itself.
        watch: Called with the features of each pass.
    """

    frozen_statistics = False
    precision = torch.float32
    autocast: torch.dtype | None = None
    compiled: Callable[[nn.Module, Tensor], Tensor] | None = None
    watch: Callable[[Tensor], None] | None = None

    def __init__(
        self,
        backbone: nn.Module,
        *,
        outputs: int,
        kind: str = "shared",
        classes: Sequence[Sequence[int]] = (),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.kind = kind
        self.outputs = outputs
        groups = torch.zeros(max(1, len(classes)), outputs, dtype=torch.bool)
        for label, members in enumerate(classes):
            groups[label, list(members)] = True
        self.register_buffer("groups", groups, persistent=False)
        # the columns of each label one after the other, and how many each has
        own = [sorted(set(members)) for members in classes]
        columns = torch.tensor([*chain.from_iterable(own)], dtype=torch.int64)
        self.register_buffer("columns", columns, persistent=False)
        self._widths = [*map(len, own)] or [0]
        self.register_buffer("seen", torch.zeros(outputs, dtype=torch.bool))
        # follows from `seen`; kept, since every pass reads it
        self.register_buffer("closed", torch.zeros(outputs, dtype=torch.bool), persistent=False)
        self.register_load_state_dict_post_hook(_close_rest)
        if kind == "own":
            self.head: nn.Module = nn.ModuleList(_linear(backbone, len(c)) for c in classes)
        else:
            self.head = _linear(backbone, outputs)

    def adaptation(self, experience: Any) -> None:
        """Open the classes of a training experience; Avalanche calls this before each one."""
        if self.training and self.kind == "seen":
            self.open(experience.classes_in_this_experience)

    def open(self, classes: Iterable[int]) -> None:
        """Predict these classes, too, and no longer those that were never opened."""
        self.seen[list(classes)] = True
        _close_rest(self)

    def train(self, mode: bool = True) -> Network:
        """Set training mode; frozen statistics stay frozen."""
        super().train(mode)
        if self.frozen_statistics:
            for _, layer in tracking(self):
                layer.eval()
        return self

    def forward(
        self, inputs: Tensor, task_labels: Tensor | int | None = NO_LABEL
    ) -> Tensor | dict[int, Tensor]:
        """Scores of every class, (N, classes), at least float32; a closed one is `CLOSED`.

        With None as task labels, the scores of all of them by label, as plugins of Avalanche expect
        of a multi-task module.
        """
        features = self.features(inputs)
        if task_labels is None:
            return {label: self.answer(features, label) for label in range(len(self.groups))}
        return self.answer(features, task_labels)

    def features(self, inputs: Tensor) -> Tensor:
        """Output of the backbone, shape (N, F), in the type it computes in."""
        if self.precision == torch.bfloat16 and inputs.is_floating_point():
            inputs = inputs.to(self.precision)
        with self._autocasting():
            if self.compiled is None:
                features: Tensor = self.backbone(inputs)
            else:
                features = self.compiled(self.backbone, inputs)
        if self.watch is not None:
            self.watch(features)
        return features

    def cast(self, precision: torch.dtype) -> Network:
        """The same network with weights and statistics of that type."""
        self.precision = precision
        return self.to(precision)

    def put_head(self, label: int, state: Mapping[str, Tensor], source: str) -> None:
        """Set the output layer of a task label.

        Args:
            label: The task label.
            state: `weight` and, if the layer has one, `bias`.
            source: Where the state is from, for the error.

        Raises:
            UserError: The layers differ in shape.
        """
        if self.kind != "own":
            raise UserError(
                f"the output layer of {source} needs a head for each experience "
                f"(training.head=own), got a {self.kind!r} head"
            )
        fit(self._heads[label], state, source)

    def answer(self, features: Tensor, task_labels: Tensor | int = NO_LABEL) -> Tensor:
        """Scores from features, shape (N, F) to (N, classes), at least float32."""
        with self._autocasting():
            scores = self._scores(features, task_labels)
        return scores.float() if scores.dtype == torch.bfloat16 else scores

    @contextmanager
    def plainly(self) -> Iterator[None]:
        """Within, passes compute in the type of the weights and layer by layer.

        Hooks on layers see nothing of a compiled pass.
        """
        kept = self.autocast, self.compiled
        self.autocast = self.compiled = None
        try:
            yield
        finally:
            self.autocast, self.compiled = kept

    def _autocasting(self) -> AbstractContextManager[Any]:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.groups.device.type, self.autocast)

    def _scores(self, features: Tensor, task_labels: Tensor | int) -> Tensor:
        if self.kind == "own":
            return self._own(features, task_labels)
        scores = self.head(features)
        if self.kind == "seen":
            return scores.masked_fill(self.closed, CLOSED)
        if self.kind == "masked":
            return self.limit(scores, task_labels)
        return scores

    def limit(self, scores: Tensor, task_labels: Tensor | int) -> Tensor:
        """Close the classes that do not belong to each sample's task label."""
        if isinstance(task_labels, int) and task_labels == NO_LABEL:
            raise ValueError(f"a {self.kind!r} head needs task labels")
        if isinstance(task_labels, Tensor):
            task_labels = moved(task_labels, self.groups.device)
        return scores.masked_fill(~self.groups[task_labels], CLOSED)

    def _own(self, features: Tensor, task_labels: Tensor | int) -> Tensor:
        if isinstance(task_labels, int) and task_labels == NO_LABEL:
            raise ValueError("a head per experience needs task labels")
        scores = features.new_full((len(features), self.outputs), CLOSED)
        if isinstance(task_labels, int):
            own = self._heads[task_labels](features)
            # not by indexing, whose result `vmap` would transpose
            return scores.index_copy(1, self.columns_of(task_labels), own.to(scores.dtype))
        task_labels = task_labels.cpu()  # the host waits only if the labels are on a GPU
        labels = task_labels.unique().tolist()
        if len(labels) == 1:
            return self._own(features, labels[0])
        for label in labels:
            rows = moved((task_labels == label).nonzero().squeeze(1), features.device)
            own = self._heads[label](features[rows])
            scores[rows[:, None], self.columns_of(label)] = own.to(scores.dtype)
        return scores

    def columns_of(self, label: int) -> Tensor:
        """The classes of a task label, ascending."""
        return self.columns.split(self._widths)[label]

    @property
    def _heads(self) -> nn.ModuleList:
        """The heads of kind `own`, one for each task label."""
        assert isinstance(self.head, nn.ModuleList)
        return self.head

    def head_parameters(self) -> set[str]:
        """Names of the parameters of the output layer."""
        return {f"head.{name}" for name, _ in self.head.named_parameters()}


def _close_rest(network: Network, *_: Any) -> None:
    network.closed = ~network.seen & network.seen.any()


def _linear(backbone: nn.Module, outputs: int) -> nn.Linear:
    """The backbone's own output layer where it has a method `make_head`, else torch's default."""
    make = getattr(backbone, "make_head", None)
    features: Any = backbone.features
    if make:
        return make(outputs)
    return nn.Linear(features, outputs)


def choose(head: str, scenario: str, measure: str) -> str:
    """The head of a run: `auto` takes the scenario's default.

    Raises:
        ValueError: The head does not fit the scenario.
    """
    fitting = ("shared",) if measure == "loss" else HEADS[scenario]
    if head == "auto":
        return fitting[0]
    if head not in fitting:
        raise ValueError(
            f"head must be one of auto, {', '.join(fitting)} in a {scenario}-incremental stream, "
            f"got {head!r}"
        )
    return head
