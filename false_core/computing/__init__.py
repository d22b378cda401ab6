"""Devices and their limits, precision, threads and processes: what a job computes on, and what that costs."""
