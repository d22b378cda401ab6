"""What a job computes on: devices and their limits, precision, threads, several processes, and what that costs."""
