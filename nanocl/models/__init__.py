"""One backbone a file: inputs to a flat vector of features. The output layer is added by `nanocl.training.heads`.

A model file holds one public class derived from `torch.nn.Module`. Its first argument is the input
shape (channels, height, width) or (features,); its keyword-only arguments with defaults are its
options. It has an attribute `features`, the length of the vector it returns per sample, and a class
attribute `citation`. It may bring its output layer by a method `make_head(outputs) ->
torch.nn.Linear`.
"""
