"""A package can be imported without what only unused parts of it need, and nothing leaks."""

import importlib.util
import sys

import pytest

from nanocl.plugins.postponed import postponed

HEAVY = "VALUE = 3\n__version__ = '1.2'\n\n\ndef double(x):\n    return 2 * x\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A module that imports `heavy` in two ways; both are forgotten after the test."""
    (tmp_path / "heavy.py").write_text(HEAVY)
    (tmp_path / "user.py").write_text(
        "import heavy\nfrom heavy import double\n\n\ndef use():\n    return double(heavy.VALUE)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("heavy", "user"):
        sys.modules.pop(name, None)


def test_a_postponed_module_is_loaded_when_its_function_is_called(package):
    with postponed({"heavy": ("double",)}):
        import user
    assert "heavy" not in sys.modules
    assert user.use() == 6
    assert user.heavy.__version__ == "1.2"
    assert sys.modules["heavy"].VALUE == 3


def test_after_the_block_an_import_gives_the_real_module(package):
    with postponed({"heavy": ("double",)}):
        import user  # noqa: F401
    import heavy

    assert heavy.double(2) == 4 and type(heavy) is type(sys)
    assert vars(heavy)["__version__"] == "1.2"


def test_a_module_that_was_loaded_before_stays(package):
    import heavy

    with postponed({"heavy": ("double",)}):
        import user
    assert user.heavy is heavy and sys.modules["heavy"] is heavy


def test_a_name_that_was_not_foreseen_loads_the_module_at_once(package):
    with postponed({"heavy": ()}):
        import user
    assert user.double is sys.modules["heavy"].double
    assert user.use() == 6


def test_an_error_in_the_block_leaves_no_stand_in(package):
    with pytest.raises(ZeroDivisionError), postponed({"heavy": ()}):
        import heavy

        assert importlib.util.find_spec("heavy") is not None
        1 / 0  # noqa: B018
    assert "heavy" not in sys.modules and heavy.double(1) == 2
