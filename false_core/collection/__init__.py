"""Collecting the places that an encoder learns from: varied, apart from each other, and in balance."""
