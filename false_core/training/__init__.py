"""Pretraining and fine-tuning, and what both need: optimisers, checkpoints."""
