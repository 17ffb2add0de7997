"""What is known of the optimizers of other packages: options, checks, how to group parameters for them."""
