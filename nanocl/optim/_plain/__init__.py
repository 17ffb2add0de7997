"""Every algorithm in plain PyTorch: any device, any layout, any float type."""
