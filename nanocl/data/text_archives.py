"""The published files of text data sets, by SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

ORIGINS = {  # files and where they are published
    "clinc150": "data_full.json of github.com/clinc/oos-eval",
    "banking77": "train.csv and test.csv of github.com/PolyAI-LDN/task-specific-datasets",
}
# in the order of `nanocl.data.text.files_in`
PUBLISHED = {
    # github.com/clinc/oos-eval, commit 828f809
    "clinc150": ("36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",),
    # github.com/PolyAI-LDN/task-specific-datasets, commit 57ec275
    "banking77": (
        "b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
        "d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d",
    ),
}


def is_official(files: Iterable[Path]) -> bool:
    """Whether files are byte for byte those that the authors of a data set published."""
    return tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in files) in {
        *PUBLISHED.values()
    }
