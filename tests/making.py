"""Records made by hand, for tests of everything that only reads records."""

from __future__ import annotations

from nanocl.records import Cost, Drift, Environment, Matrix, Part, Row, RunResult, RunSpec, Training

MATRIX = ((0.9, 0.2, 0.1), (0.7, 0.8, 0.2), (0.5, 0.6, 0.7))
INITIAL = (0.1, 0.2, 0.3)


def a_spec(
    strategy: str = "sgd",
    seed: int = 0,
    *,
    protocol: str = "split-digits",
    tier: str = "cpu",
    scenario: str = "class",
    options_from: str = "default",
    epochs: int = 1,
    data: str = "0123456789abcdef",
    **options: object,
) -> RunSpec:
    """A complete spec; `options` go to the first part of the composition."""
    names = strategy.split("+")
    parts = (Part(names[0], options), *(Part(name) for name in names[1:]))
    return RunSpec(
        protocol,
        tier,
        scenario,
        Part("split", {"data": "digits", "experiences": 3}),
        Part("mlp", {"width": 400, "layers": 2}),
        parts,
        Training(epochs=epochs),
        seed,
        data,
        options_from,
    )


def a_drift(distance: float = 3.0, step: float = 2.0) -> Drift:
    """Drift of one experience: `distance` from the start, `step` from the experience before."""

    def groups(length: float) -> dict[str, dict[str, float | None]]:
        column = {
            "l2": length,
            "relative": length / 10,
            "mean_squared": length**2 / 100,
            "touched": 1.0,
            "cosine": 0.9,
        }
        return {"backbone": column, "head": {**column, "relative": None}, "all": column}

    return Drift(
        start=groups(distance),
        previous=groups(step),
        deciles=(0.1,) * 10,
        average_tensor=distance / 4,
        layers={"hidden.weight": (distance, distance / 10), "hidden.bias": (0.0, None)},
    )


def a_cost(**values: float) -> Cost:
    """Ten seconds and a thousand steps, with the given fields changed."""
    usual = {
        "train_seconds": 10.0,
        "steps": 1000,
        "seconds_per_step": 0.01,
        "samples_per_second": 3200.0,
        "peak_memory_bytes": 2**28,
        "device_memory_bytes": 0,
        "optimizer_state_bytes": 2**22,
        "parameters": 2**19,
        "state_bytes_per_parameter": 8.0,
        "strategy_state_bytes": 0,
        "workers": 1,
    }
    return Cost(**{**usual, **values})


def a_result(
    spec: RunSpec | None = None,
    evaluation: Matrix = MATRIX,
    *,
    initial: Row = INITIAL,
    status: str = "ok",
    measure: str = "accuracy",
    masked: Matrix | None = None,
    cost: Cost | None = None,
) -> RunResult:
    """A record with the given matrix."""
    return RunResult(
        spec=spec or a_spec(),
        status=status,
        measure=measure,
        initial=initial,
        evaluation=evaluation,
        masked={"initial": initial, "evaluation": masked} if masked else None,
        drift=tuple(a_drift(distance=i + 1.0) for i in range(len(evaluation))),
        cost=cost or a_cost(),
        data=(
            {
                "name": "digits",
                "fingerprint": "0123456789abcdef",
                "release": "official",
                "train": 1437,
            },
        ),
        environment=Environment(
            "0.1.0", "3.11.7", "2.5.1", "0.6.0", "2.0.0", "linux", "a processor", "cpu", 1
        ),
    )


def shifted(by: float, matrix: Matrix = MATRIX) -> Matrix:
    """The matrix with a number added to each entry."""
    return tuple(tuple(value + by for value in row) for row in matrix)
