"""The language of the user: what a job says and what reports hold, put from English into it where they leave the library.

The library is written, raises its errors and passes its events on in English. Only the doors that a person looks through put
them into the language that ``FALSE_LANGUAGE`` names: the worker process, the command line and the reports. A folder here for
each language holds its texts, in one JSON file for each room of the library; ``tools/build_language.py`` brings them up to
date. Standard library only.
"""
