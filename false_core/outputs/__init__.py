"""Outputs that appear whole or not at all: their names until then, what belongs to them, and the locks."""
