"""QGIS layers as names of files, or of what GDAL opens, that another process can open too."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import Any, Iterator, List, Optional
from urllib.parse import quote

from osgeo import gdal
from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsProject,
    QgsProperty,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsRectangle,
)

from false_core import jobs
from qgis_false.translation import failure, tr


def raster_path(layer: QgsRasterLayer) -> str:
    """Return what GDAL in another process opens to read the pixels of ``layer``: a path, subdatasets and archives included.

    Raises:
        QgsProcessingException: The layer is not a file that GDAL reads.
    """
    if layer.providerType() != "gdal":
        raise failure(
            "The layer {layer} comes from {origin}, not from a raster file. Save it as GeoTIFF (Layer > Save As...) and "
            "use that.",
            layer=layer.name(),
            origin=layer.providerType(),
        )
    source = _plain(layer.source())
    return os.path.abspath(source) if os.path.exists(source) else source


def raster_layers() -> List[QgsRasterLayer]:
    """Return the rasters of the project that are files, as they lie upon each other: no base maps from the web."""
    layers = QgsProject.instance().layerTreeRoot().layerOrder()
    return [one for one in layers if isinstance(one, QgsRasterLayer) and one.providerType() == "gdal"]


def is_temporary(path: str) -> bool:
    """Return whether a file lies in the folder that QGIS removes when it ends."""
    folder, file = (os.path.normcase(os.path.realpath(one)) for one in (QgsProcessingUtils.tempFolder(), path))
    return file.startswith(os.path.join(folder, ""))


def name_in_job(layer: QgsRasterLayer, feedback: QgsProcessingFeedback) -> str:
    """Return what a job is told of ``layer``: its path, and what the user has set in QGIS that the file does not say.

    That is its CRS, and the values that are nodata too. The library reads it with ``jobs.raster_name``.

    Raises:
        QgsProcessingException: The layer is not a file that GDAL reads.
    """
    path, provider = raster_path(layer), layer.dataProvider()
    bands = range(1, provider.bandCount() + 1)
    more = [_nodata_text(provider.userNoDataValues(band)) for band in bands]
    if len(set(more)) > 1:
        feedback.pushWarning(
            tr("The additional nodata values of {layer} differ from band to band. They do not count.", layer=layer.name())
        )
    if any(provider.sourceHasNoDataValue(band) and not provider.useSourceNoDataValue(band) for band in bands):
        feedback.pushWarning(
            tr("The nodata value of {layer} is switched off in QGIS. It counts all the same.", layer=layer.name())
        )
    options = QgsProviderRegistry.instance().decodeUri("gdal", layer.source()).get("openOptions") or []
    lost = [option for option in options if not option.upper().startswith("NUM_THREADS=")]
    if lost:
        feedback.pushWarning(
            tr("QGIS opened {layer} with options that do not count: {options}.", layer=layer.name(), options=", ".join(lost))
        )
    crs = layer.crs()
    code = _crs_text(crs) if crs.isValid() and crs != provider.crs() else ""
    return str(jobs.RasterName(path, code, more[0] if len(set(more)) == 1 else ""))


def _nodata_text(ranges: Any) -> str:
    """Return ranges of values as ``jobs.RasterName`` has them."""
    ends = [
        tuple(repr(value) if value == value else word for value, word in ((r.min(), "-inf"), (r.max(), "inf")))
        for r in ranges
    ]
    return ",".join(low if low == high else f"{low}..{high}" for low, high in ends)


def _crs_text(crs: QgsCoordinateReferenceSystem) -> str:
    code = str(crs.authid())
    if code and not code.startswith("USER:"):
        return code
    return quote(crs.toWkt(QgsCoordinateReferenceSystem.WktVariant.WKT_PREFERRED), safe="")


def path_of_name(name: str) -> str:
    """Return what the library is told for a name that stands for rasters."""
    return _plain(name) if _is_address(name) else os.path.abspath(name)


def _plain(source: str) -> str:
    """Return the source of a layer without what QGIS writes behind it: the path alone is GDAL's."""
    registry = QgsProviderRegistry.instance()
    # Credentials are in no job: a job is written into files. Older versions of QGIS do not know that they are there.
    parts = registry.decodeUri("gdal", re.sub(r"\|credential:[^|]*", "", source))
    parts.pop("openOptions", None)
    return str(registry.encodeUri("gdal", parts))


def _is_address(name: str) -> bool:
    return name.startswith("/vsi")


def value_stands_for_rasters(value: Any, context: QgsProcessingContext) -> bool:
    """Return whether ``value`` names a folder, a pattern, a text file or a STAC file, and no layer that is there already.

    An address does too, such as ``/vsis3/bucket/a.tif``: versions of QGIS take it for a file that is missing, and a server
    is not asked while the window waits.
    """
    if not isinstance(value, str) or not (_is_address(value) or jobs.stands_for_rasters(value)):
        return False
    return QgsProcessingUtils.mapLayerFromString(value, context, False, QgsProcessingUtils.LayerHint.Raster) is None


@contextmanager
def as_it_is(source: str) -> Iterator[None]:
    """Keep QGIS from writing beside a raster that it opens in the meantime.

    It computes statistics of every raster when it opens it, and GDAL keeps them in a file beside it. Where there is such a
    file already it is read as ever, as it may hold the CRS or the nodata value; then QGIS may add to it.
    """
    if os.path.exists(f"{source.partition('|')[0]}.aux.xml"):
        yield
        return
    with gdal_option("GDAL_PAM_ENABLED", "NO"):
        yield


@contextmanager
def gdal_option(name: str, value: str) -> Iterator[None]:
    """Set an option of GDAL for a while, in this thread alone where GDAL can: not before 3.4."""
    set_option = getattr(gdal, "SetThreadLocalConfigOption", gdal.SetConfigOption)
    set_option(name, value)
    try:
        yield
    finally:
        set_option(name, None)


def extent_text(extent: QgsRectangle, layer: QgsRasterLayer) -> str:
    """Return ``extent``, given in the CRS of ``layer``, as a job takes it: ``xmin,xmax,ymin,ymax [EPSG:code]``.

    The code is left out where the user has given the layer another CRS than its file has: the numbers are those of the file.
    """
    crs: QgsCoordinateReferenceSystem = layer.crs()
    return coded_extent(extent, crs.authid() if crs == layer.dataProvider().crs() else "")


def coded_extent(extent: QgsRectangle, code: str) -> str:
    """Return ``extent``, in the CRS with ``code``, as a job takes it. Without one it is in that of each raster."""
    numbers = ",".join(repr(n) for n in (extent.xMinimum(), extent.xMaximum(), extent.yMinimum(), extent.yMaximum()))
    return f"{numbers} [{code}]" if code else numbers


def layer_of(value: Any, context: QgsProcessingContext) -> Optional[QgsMapLayer]:
    """Return the layer that the value of a vector parameter stands for, or None: the layer itself, its id, path or name."""
    if isinstance(value, QgsProcessingFeatureSourceDefinition):
        value = value.source
    if isinstance(value, QgsProperty):
        value = value.valueAsString(context.expressionContext())[0]
    return QgsProcessingUtils.mapLayerFromString(value, context) if isinstance(value, str) else value


def is_null(value: Any) -> bool:
    """Return whether ``value`` is Python's or Qt's word for nothing."""
    return value is None or value == NULL
