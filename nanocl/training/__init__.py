"""One run: model, strategies, training loop, instruments, checkpoints."""
