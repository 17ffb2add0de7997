"""What Python programs and notebooks use; `import nanocl` offers its names."""
