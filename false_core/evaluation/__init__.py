"""How good it is: metrics and reports."""
