"""Measures forgetting, drift and cost inside other people's training loops; without Avalanche."""
