"""Change between two dates of one place: where it changed, and from what to what."""
