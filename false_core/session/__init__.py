"""A labelling session: a raster stays open, its features are kept, each change of the labels is a new map within a second.

``session`` takes requests and decides what is done next; ``session_work`` is the work that there is: to learn from labels
(``learning``), to draw the view (``current_view``), and answers. ``session_raster`` is what is looked at.
"""
