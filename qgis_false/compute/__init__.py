"""The compute process: how it is started, here or elsewhere, what it is told, and what went wrong in it."""
