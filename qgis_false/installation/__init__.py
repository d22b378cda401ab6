"""Making the compute environment, removing it, and telling a maintainer about it.

What is decided is apart from what is done: ``plan`` decides from the facts about a computer, and is tested with recorded
computers of every kind. ``install`` does it, with the ``installers`` that are there; ``packages`` installs and mends, and
``workspace`` is where all this happens.
"""
