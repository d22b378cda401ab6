"""Vectors on disk: polygons that carry their classes, in any format that OGR writes."""
