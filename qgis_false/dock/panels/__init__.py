"""The parts of the page to work on, one file each. The dock puts them together."""
