"""Vectors on disk: polygons that carry their classes, in any format that OGR writes."""

from false_core.untrusted.drivers import allow_by_list, without_stderr

allow_by_list()
with without_stderr():
    import pyogrio  # noqa: F401
