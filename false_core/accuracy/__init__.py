"""How accurate a map is: metrics, assessment against labels or truth, and points sampled for it."""
