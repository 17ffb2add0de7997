"""Each algorithm slow and obvious, for the tests."""
