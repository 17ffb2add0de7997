"""Curves of runs for TensorBoard, Weights & Biases, MLflow, or as CSV files."""
