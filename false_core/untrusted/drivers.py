"""The drivers of GDAL that may open a file: those of a list.

A driver is chosen by what a file holds, whatever it is called, so that a ``.tif`` from a stranger is opened by any of two
hundred. Some of them write when they read, ask a server, or show other files of the computer as pixels. What is opened here
are the formats that people bring. Others are opened where the user names them, in ``FALSE_DRIVERS``.

GDAL looks for the drivers it must leave out when it is loaded, in the environment, and each of the two that rasterio and
pyogrio bring does so for itself. So this comes before them, and it holds behind a VRT and beside a GeoTIFF as well.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, List, Tuple

from false_core.settings import allowed_drivers

DRIVERS: Tuple[str, ...] = (
    # Rasters. Raw pixels with a header beside them: ENVI, EHdr, RST, SAGA, RRASTER, ERS.
    "GTiff", "COG", "VRT", "MEM", "Memory", "JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JPEG2000", "ECW", "MrSID", "HFA",
    "ENVI", "EHdr", "ERS", "PCIDSK", "netCDF", "HDF5", "HDF5Image", "Zarr", "GRIB", "JPEG", "JPEGXL", "PNG", "GIF", "BIGGIF",
    "BMP", "WEBP", "AVIF", "AAIGrid", "AIG", "SRTMHGT", "DTED", "USGSDEM", "GRASSASCIIGrid", "GSAG", "GSBG", "GS7BG", "XYZ",
    "SAGA", "RST", "RRASTER", "LIBERTIFF", "SNAP_TIFF", "GPKG", "MBTiles",
    # Vectors.
    "ESRI Shapefile", "GeoJSON", "GeoJSONSeq", "JSONFG", "ESRIJSON", "TopoJSON", "FlatGeobuf", "GML", "KML", "LIBKML", "GPX",
    "CSV", "DXF", "DGN", "XLSX", "ODS", "MapInfo File", "OpenFileGDB", "SQLite", "OGR_VRT", "OGR_GMT", "Parquet", "Arrow",
)  # fmt: skip
"""The drivers that are there for everybody."""
_OTHERS: Tuple[str, ...] = (
    "ACE2", "ADBC", "ADRG", "AIVector", "ARG", "AVCBin", "AVCE00", "AirSAR", "AmigoCloud", "BAG", "BLX", "BSB", "BT",
    "BYN", "BASISU", "CAD", "CALS", "CEOS", "COASP", "COSAR", "CPG", "CSW", "CTG", "CTable2", "Carto", "Cloudant",
    "CouchDB", "DAAS", "DB2ODBC", "DDS", "DERIVED", "DIMAP", "DIPEx", "DOQ1", "DOQ2", "DWG", "DGNV8", "ECRGTOC",
    "EDIGEO", "EEDA", "EEDAI", "EIR", "ELAS", "EPSILON", "ESAT", "ESRIC", "EXR", "Elasticsearch", "ElasticSearch",
    "FAST", "FIT", "FITS", "FileGDB", "FJI", "FME_OGR", "GDALG", "GFF", "GMLAS", "GMT", "GNMDatabase", "GNMFile",
    "GPSBabel", "GSC", "GTA", "GTFS", "GTI", "GTX", "GXF", "GenBin", "Geoconcept", "GeoRSS", "GeoRaster", "Geomedia",
    "HANA", "HDF4", "HDF4Image", "HEIF", "HF2", "HTTP", "IDA", "IDB", "IGNFHeightASCIIGrid", "ILWIS", "INGR", "IRIS",
    "ISCE", "ISG", "ISIS2", "ISIS3", "Idrisi", "Ingres", "Interlis 1", "Interlis 2", "JAXAPALSAR", "JDEM", "JML",
    "JP2Lura", "JPEGLS", "JPIPKAK", "KEA", "KMLSUPEROVERLAY", "KRO", "KTX2", "L1B", "LAN", "LCP", "LOSLAS", "LVBAG",
    "Leveller", "MAP", "MFF", "MFF2", "MG4Lidar", "MRF", "MSG", "MSGN", "MSSQLSpatial", "MVT", "MapML", "MiraMon",
    "MiraMonRaster", "MiraMonVector", "MongoDB", "MongoDBv3", "MySQL", "NAS", "NDF", "NGSGEOID", "NGW", "NITF",
    "NOAA_B", "NSIDCbin", "NTv1", "NTv2", "NWT_GRC", "NWT_GRD", "OAPIF", "OCI", "ODBC", "OGCAPI", "OGDI", "OGR_DODS",
    "OGR_OGDI", "OGR_PDS", "OGR_SDTS", "OSM", "OZI", "OpenAIR", "OpenAir", "OPENJPEG", "PAux", "PCRaster", "PDF", "PDS",
    "PDS4", "PGDUMP", "PGeo", "PLMOSAIC", "PLSCENES", "PMTiles", "PNM", "PRF", "PostGISRaster", "PostgreSQL", "R",
    "RCM", "RDA", "RDB", "RIK", "RMF", "ROI_PAC", "RPFTOC", "RS2", "Rasdaman", "Rasterlite", "REC", "S101", "S102",
    "S104", "S111", "S57", "SAFE", "SAR_CEOS", "SDE", "SDTS", "SEGUKOOA", "SEGY", "SENTINEL2", "SGI", "SIGDEM",
    "SNODAS", "SOSI", "SRP", "STACIT", "STACTA", "SUA", "SVG", "SXF", "Selafin", "SmartLoad", "TGA", "TIGER", "TIL",
    "TSX", "Terragen", "TileDB", "UK .NTF", "VDV", "VFK", "VICAR", "VectorPDF", "WAsP", "WCS", "WFS", "WFS3", "WMS",
    "WMTS", "Walk", "XLS", "XODR", "XPM", "XPlane", "ZMap",
)  # fmt: skip
"""All other drivers that there ever were. A test asks for those that a new GDAL brings."""
_FORBIDDEN = {
    # A program in a VRT, and the bytes of any file as pixels.
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE": "SIBLING_OR_CHILD_OF_VRT_PATH",
    # What a view of a database may call, and what is loaded with it.
    "OGR_SQLITE_ALLOW_EXTERNAL_ACCESS": "NO",
    "OGR_SQLITE_LOAD_EXTENSIONS": "",
    # The schema of a GML file at the address that it names.
    "GML_DOWNLOAD_SCHEMA": "NO",
}
"""Settings of GDAL that hold for a file from anybody, whatever the user has set for files of their own."""


def is_allowed_driver(name: str) -> bool:
    """Return whether the driver called ``name`` may open a file, in the list or by the user's word."""
    return name.lower() in {allowed.lower() for allowed in (*DRIVERS, *allowed_drivers())}


def allow_by_list() -> None:
    """Have every GDAL that is loaded from now on in this process, and those it starts, leave out what is not allowed."""
    named = {name.lower() for name in allowed_drivers()}
    skipped = [*_separated(os.environ.get("GDAL_SKIP", "")), *_OTHERS]
    # With commas, as some names hold blanks.
    os.environ["GDAL_SKIP"] = ",".join(dict.fromkeys(name for name in skipped if name.lower() not in named))
    os.environ.update(_FORBIDDEN)


@contextmanager
def without_stderr() -> Iterator[None]:
    """Keep what is written to stderr meanwhile, also by C, from being seen.

    GDAL warns of each driver that it is to leave out and does not have. Rasterio keeps that to itself, pyogrio does not.
    """
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # Closed, or too many files are open.
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _separated(names: str) -> List[str]:
    return [name.strip() for name in (names.split(",") if "," in names else names.split()) if name.strip()]
