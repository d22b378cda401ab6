"""The compute environment: a Python of its own, with torch, in which the library runs. Never the one of QGIS.

``host`` records facts about a computer; ``variables``, ``interpreters`` and ``torch_build`` decide from them. ``processes``,
``supervisor`` and ``watchdog`` run programs and end them. ``state`` and ``versions`` know what was set up.
"""
