"""The dock *FALSE: label and map*: labels drawn on the canvas, and the map that a labelling session makes of them at once.

``session_process`` talks to the session, ``label_file`` and ``label_edits`` keep the labels, ``label_classes`` keeps their
classes, ``label_watch`` sees every change of them, ``labelling`` brings these together. Everything else shows what they know
and asks them for something.
"""
