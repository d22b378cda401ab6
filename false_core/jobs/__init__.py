"""The jobs of this library, and what can be said of them: declarations, kinds of parameters, and their JSON.

Standard library only, Python 3.9: the QGIS plugin imports this room too.

A job is declared in a file of ``declarations``, from the parameters and kinds in ``kinds``, as a subclass of ``Job`` in
``job``. ``name_for_user`` says what messages call a parameter. ``codec`` checks jobs and turns them into JSON and back;
``extent`` and ``raster_names`` read texts that jobs hold.
"""

# flake8: noqa: F401, F403 - a public face: each job that is declared is in it by itself.

from false_core.jobs.codec import from_file, from_json, from_mapping, missing_together, to_json, validate
from false_core.jobs.declarations.choices import *
from false_core.jobs.extent import Extent, parse_extent
from false_core.jobs.job import JOBS, Job, Result, outputs, parameters
from false_core.jobs.kinds import *
from false_core.jobs.names_for_user import BY_LABEL, BY_OPTION, name_for_user, parameters_named_by, quoted_label
from false_core.jobs.raster_names import LIST_ENDING, STAC_ENDINGS, RasterName, is_address, raster_name, stands_for_rasters

# In the order in which jobs are listed, as by the command line.
# isort: off
from false_core.jobs.declarations.pretraining import *
from false_core.jobs.declarations.finetuning import *
from false_core.jobs.declarations.classifying import *
from false_core.jobs.declarations.areas import *
from false_core.jobs.declarations.maps import *
from false_core.jobs.declarations.accuracy import *
from false_core.jobs.declarations.change import *
from false_core.jobs.declarations.models import *
from false_core.jobs.declarations.beforehand import *
