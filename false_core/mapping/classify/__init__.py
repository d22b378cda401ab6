"""Classifying: a map is planned as strips, these are computed, stored as they are finished, and assembled."""
