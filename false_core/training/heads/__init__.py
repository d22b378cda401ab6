"""Heads: linear classifiers on frozen features, fitted to a few labels in seconds and chosen by cross-validation."""
