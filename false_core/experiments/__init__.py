"""Experiments: datasets x methods x confidence weights x seeds x label fractions, from one config to the paper's tables."""
