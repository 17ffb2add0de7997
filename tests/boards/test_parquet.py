import pytest

from nanocl.boards import parquet
from nanocl.records import UserError

TABLE = "protocol_hash,seeds,mean\n00012345,0,0.5\n00012345,0,\n"


def test_without_pyarrow_the_error_says_what_installs_it(monkeypatch, tmp_path):
    monkeypatch.setattr(parquet, "is_installed", lambda: False)
    for call in (lambda: parquet.content(TABLE), lambda: parquet.is_table(tmp_path, TABLE)):
        with pytest.raises(UserError, match=r"pip install .*\[boards\]"):
            call()


@pytest.mark.skipif(not parquet.is_installed(), reason="pyarrow is not installed")
def test_a_table_comes_back_with_its_texts_and_numbers(tmp_path):
    path = tmp_path / parquet.FILE
    path.write_bytes(parquet.content(TABLE))
    assert parquet.is_table(path, TABLE)
    assert not parquet.is_table(path, TABLE.replace("0.5", "0.6"))
    path.write_bytes(b"PAR1")
    assert not parquet.is_table(path, TABLE)
