"""Probes made by hand, for tests of the mechanism study."""

from dataclasses import replace
from pathlib import Path

from making import a_spec

from nanocl.records import Part, probes


def a_layer(shift=0.0):
    tenths = [0.1 * (place + 1) for place in range(10)]
    return {
        "entries": 1000,
        "magnitude": tenths,
        "gradient": [1 / tenth for tenth in tenths],
        "steep": [2 / tenth for tenth in tenths],
        "overlap": {"0.001": 0.0, "0.01": 0.02, "0.1": 0.1 + shift},
        "low": 0.2,
        "ratio": 0.25 + shift,
    }


def save_probe(root, seed=0, shift=0.0, pretrained=False, steps=(0, 10)):
    spec = a_spec("adamw", seed)
    if pretrained:
        spec = replace(spec, model=Part("mlp", {"pretrain": "digits"}, pretrained_on="f" * 16))
    looks = [
        {"experience": 0, "step": step, "layers": {"a": a_layer(shift), "b": a_layer(2 * shift)}}
        for step in steps
    ]
    moved = {"a": [2.0] * 5 + [0.0] * 5, "b": [0.0] * 10}
    changes = [{"experience": 0, "steps": 11, "layers": moved}]
    return probes.write(spec, looks, changes, probes.folder(root))


def three_probes(root: Path) -> Path:
    """Two seeds from scratch and one pretrained."""
    save_probe(root, 0)
    save_probe(root, 1, shift=0.1, steps=(0, 10, 100))
    save_probe(root, 0, pretrained=True)
    return root
