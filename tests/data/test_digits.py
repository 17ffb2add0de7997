"""The bundled digits."""

import numpy as np
import pytest

from nanocl.data import load

pytestmark = pytest.mark.usefixtures("own_cache")


def test_digits_are_official_stratified_and_complete(tmp_path):
    from sklearn.datasets import load_digits

    data = load("digits", tmp_path / "nowhere")
    assert data.official and not (tmp_path / "nowhere").exists()
    assert (len(data.train_labels), len(data.test_labels)) == (1442, 355)
    assert (
        np.abs(np.bincount(data.test_labels) / np.bincount(load_digits().target) - 0.2).max() < 0.01
    )
    stored = np.sort(
        np.concatenate([data.train_inputs, data.test_inputs]).reshape(1797, -1), axis=0
    )
    assert np.abs(stored / 255 * 16 - np.sort(load_digits().data, axis=0)).max() < 0.04
