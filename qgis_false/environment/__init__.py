"""The compute environment: a Python of its own, with torch, in which the library runs. Never the one of QGIS.

What is decided is apart from what is done. ``host`` records facts about a computer; ``variables``, ``interpreters``,
``torch_build`` and ``plan`` decide from them, and are tested with recorded computers of every kind; ``install`` does it.
``state`` and ``versions`` know what was set up, ``diagnosis`` tells a maintainer.
"""
