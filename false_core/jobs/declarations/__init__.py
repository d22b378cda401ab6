"""The jobs of this library. Each job is one frozen dataclass, and each parameter is declared once, here.

The Processing dialogs, the command line, the JSON that crosses the process border, the Python API and the help pages are
all made from these declarations. A job also says which function does it: ``done_by``, as ``"module:function"``.

A file holds the jobs of one subject; ``choices`` the words that they admit, and ``usual`` the parameters that several of
them have. ``false_core.jobs`` imports the files in the order in which jobs are listed.
"""
