"""Each optimizer's arithmetic in plain PyTorch: the definition that the other kinds must equal."""
