"""A labelling session: a raster stays open, its features are kept, each change of the labels is a new map within a second.

``session`` decides what is done next, ``session_raster`` is what is looked at, and each other module answers one kind of
request.
"""
