"""One backbone per file: a network from inputs to a flat vector of features.

A model file contains one public class derived from `torch.nn.Module`. Its first argument is the
input shape (channels, height, width) or (features,); its keyword-only arguments, all with defaults,
are its options. An instance has the attribute `features`, the length of the vector that it returns
for each sample; without it, the length of its output for zeros is taken. A model may have no
argument for the input shape. The class attributes are `citation`, BibTeX of the source, and
`version` (default 1), which rises when a corrected formula changes numbers.
`nanocl.training.heads` adds the output layer; a model with its own one has a method
`make_head(outputs) -> torch.nn.Linear`.
"""
