"""The accounting of the NanoAdam paper and the settings of its runs."""

import pytest

from nanocl.footprint import models, paper
from nanocl.footprint.architectures import Weight

GIB = 2**30


def test_the_paper_accounting_of_llama_2_7b_is_reproduced():
    sizes = [account.bytes / GIB for account in paper.accounts(models.weights_of("llama-2-7b"))]
    assert sizes[:4] == pytest.approx([25.1, 12.55, 5.65, 0.3765], rel=5e-4)


def test_the_runs_of_the_paper_need_ten_times_the_density_and_dense_layers():
    every, dense = 6_738_415_616, 32000 * 4096 + 65 * 4096
    account = paper.accounts(models.weights_of("llama-2-7b"))[3]
    assert account.run_bytes == pytest.approx(0.1 * (every - dense) * (2 + 2 + 2) + dense * (2 + 2))


def test_dense_entries_are_those_of_norms_and_output_layer():
    weights = [Weight("a", (4, 5)), Weight("b", (4,), "norm"), Weight("c", (2, 4), "head")]
    assert (paper.every(weights), paper.dense(weights)) == (32, 12)
