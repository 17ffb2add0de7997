"""Each algorithm slow and obvious, for the tests.

A reference keeps dense state in double precision and treats one tensor and one chunk after another.
Its class takes the tensors to train and the options of the optimizer of the same name.
"""
