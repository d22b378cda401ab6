"""The accuracy of a map: metrics, assessment against labels or truth, and points sampled for it."""
