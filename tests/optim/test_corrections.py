"""Tables of Adam's bias corrections against the formula."""

import numpy as np
import pytest

from nanocl.optim._corrections import LONGEST, corrections


@pytest.mark.parametrize("beta1", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("beta2", [0.9, 0.999])
def test_a_table_has_the_factor_of_every_age(beta1, beta2):
    first, second = corrections(beta1, beta2, None, np.float64)
    ages = np.arange(1, len(first))
    np.testing.assert_allclose(first[1:], 1 / (1 - beta1**ages), rtol=1e-15)
    np.testing.assert_allclose(second[1:], (1 - beta2**ages) ** -0.5, rtol=1e-15)


def test_a_table_ends_where_the_factor_is_one():
    first, second = corrections(0.9, 0.999, None, np.float64)
    assert len(first) == len(second) <= LONGEST
    assert first[-1] == second[-1] == 1.0


def test_one_age_of_all_entries_has_one_factor():
    first, second = corrections(0.9, 0.999, 3, np.float32)
    assert first.dtype == second.dtype == np.float32
    assert first.tolist() == pytest.approx([1 / (1 - 0.9**3)])
    assert second.tolist() == pytest.approx([(1 - 0.999**3) ** -0.5])
