"""Every library by its name on the command line; a library itself is imported only when needed."""

from __future__ import annotations

from collections.abc import Mapping

from nanocl.libraries import bitsandbytes, pytorch_optimizer, torch, torchao
from nanocl.libraries.library import Library

LIBRARIES: Mapping[str, Library] = {
    module.LIBRARY.name: module.LIBRARY
    for module in (torch, pytorch_optimizer, torchao, bitsandbytes)
}
