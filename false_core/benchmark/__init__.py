"""The benchmark: many tasks x few labels x encoders, to tell which encoder to start from on somebody's own data."""
