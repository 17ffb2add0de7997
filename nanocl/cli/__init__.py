"""What the commands share: arguments of `nanocl.run` and progress on a terminal."""
