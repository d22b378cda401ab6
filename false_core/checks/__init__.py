"""Checks before a job begins: slips of the pen, and inputs that an output would write over."""
