"""A function in a worker process gives its value, or an error in one sentence."""

import pytest
from called import broken, dies, leaves, product, wrong

from nanocl.engine import calls
from nanocl.records import UserError


def test_a_call_returns_the_value_and_passes_on_what_it_is_told():
    told = []
    assert calls.call(product, 6, 7, on_notice=told.append) == 42
    assert [notice.text for notice in told] == ["6 times 7"]


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        (wrong, UserError, "^this and that$"),
        (broken, RuntimeError, "in broken(.|\n)*KeyError: 'a key that is not there'"),
        (leaves, UserError, r"a plugin called sys.exit\(4\)"),
        (dies, UserError, r"died \(exit code 9\)"),
    ],
)
def test_an_error_in_the_worker_is_raised_by_the_call(function, kind, words):
    with pytest.raises(kind, match=words):
        calls.call(function)
