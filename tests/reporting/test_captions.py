"""The lines above a table: what its board separates, its protocol, and which rows are untuned."""

from dataclasses import replace

import pytest
from making import a_result, a_spec, shifted

from nanocl.records import Part
from nanocl.reporting import captions
from nanocl.reporting.summaries import summarise


def runs(strategy, by=0.0, seeds=range(8), **options):
    return [
        a_result(a_spec(strategy, seed, **options), shifted(by + 0.01 * (seed * len(strategy) % 3)))
        for seed in seeds
    ]


def test_the_numbers_of_the_head_are_those_of_the_ranking():
    rows = summarise([*runs("a", 0.2), *runs("bb"), *runs("ccc", 0.001), *runs("joint", 0.3)])
    ranking = captions.rank(rows)
    power = ranking.power
    assert (power.pairs, power.separable) == (3, 2)
    assert captions.above(rows)[:2] == (
        f"separable pairs: 2 of 3 (D = 0.67); ICC {power.intraclass:.2f}",
        f"power: with 8 seeds and a residual deviation of {100 * power.residual:.2f}, differences "
        f"of {100 * power.smallest:.2f} are separated at 80% power; the largest difference is "
        f"{100 * power.largest:.2f}",
    )


def test_the_verdict_of_a_board_on_itself_comes_first():
    alike = summarise([*runs("bb"), *runs("cccc"), *runs("a", noise=1)])
    first = captions.above(alike)[0]
    assert first == "this board does not rank its rows: D = 0.00 is below 0.25"
    few = summarise(runs("bb", seeds=range(1)))
    assert captions.above(few)[0] == "preliminary: 1 seed; no tests and no ranks below 6"


def test_a_sweep_is_not_tested():
    rows = summarise([*runs("a", options_from="sweep"), *runs("b", 0.2, options_from="sweep")])
    assert captions.above(rows) == captions.protocol_lines(rows)


def test_a_model_says_where_its_weights_come_from():
    spec = a_spec()

    def model_line(**origin):
        model = Part("resnet32", {"pretrain": "cifar10[0-4]"}, **origin)
        lines = captions.protocol_lines(summarise([a_result(replace(spec, model=model))]))
        return next(line for line in lines if line.startswith("model: "))

    options = " with pretrain=cifar10[0-4]"
    assert model_line() == "model: resnet32" + options
    weights = model_line(weights="12fca82f0beb")
    assert weights == "model: resnet32 (weights 12fca82f)" + options
    pretrained = model_line(pretrained_on="0123456789abcdef")
    assert pretrained == "model: resnet32 (pretrained here on cifar10[0-4])" + options
    plugin = model_line(plugin="0123456789abcdef")
    assert plugin == "model: resnet32 (user plugin (hash 01234567))" + options


@pytest.mark.parametrize(
    ("seeds", "line"),
    [
        (range(10), "0 to 9"),
        ((0, 1), "0, 1"),
        ((0, 2, 3, 4, 7), "0, 2 to 4, 7"),
        ((5,), "5"),
    ],
)
def test_seeds_in_succession_are_a_range(seeds, line):
    spec = a_spec()
    rows = summarise([a_result(replace(spec, seed=seed)) for seed in seeds])
    assert f"seeds: {line}" in captions.protocol_lines(rows)
