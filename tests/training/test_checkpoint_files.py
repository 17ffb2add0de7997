"""A checkpoint has two files, which are deleted together."""

from making import a_spec

from nanocl.training import checkpoint_files


def test_both_files_of_a_checkpoint_are_deleted_and_no_others(tmp_path):
    path = checkpoint_files.path_of(a_spec(), tmp_path)
    other = checkpoint_files.path_of(a_spec(seed=1), tmp_path)
    inner = checkpoint_files.within(path)
    for file in (path, inner, other):
        file.write_bytes(b"x")
    checkpoint_files.delete(path)
    checkpoint_files.delete(path)  # one that is not there is deleted, too
    assert list(tmp_path.iterdir()) == [other] and inner != path != other
