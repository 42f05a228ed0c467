"""Weights that get better: optimisers, the loop, fine-tuning."""
