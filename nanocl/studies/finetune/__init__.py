"""The finetuning study: sweeps of learning rates, compared at equal accuracy on the new task.

It reads the ordinary records of protocols that sweep a learning rate and start from weights that
already solve the first task. It trains nothing.
"""
