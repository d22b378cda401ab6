"""A job that names no address asks nobody, whatever its files say: a server here would know."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import rasterio
from hostile_zoo import Good, _band, _with_crs
from small_world import Listener, on_map, write_labels

from false_core.dispatch import run
from false_core.errors import InputError
from false_core.jobs import Classify, Finetune, Polygonise
from false_core.labels.label_file import read_table
from false_core.raster.source import RasterSource, Window
from false_core.untrusted.network import CLOSED, names_address, network_closed

pytestmark = pytest.mark.thorough


class Server:
    """A server that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

        class Answers(BaseHTTPRequestHandler):
            def do_GET(answers) -> None:  # noqa: N805
                self.asked.append(answers.path)
                answers.send_error(404)

            do_HEAD = do_POST = do_GET  # noqa: N815

            def log_message(answers, *_: object) -> None:  # noqa: N805
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize("beside", ["aux.xml", "msk", "ovr", "inside", "the raster", "small letters", "a part"])
def test_a_raster_on_the_disk_asks_nobody(beside: str, server: Server, land: str, model: str, tmp_path: Path) -> None:
    path, far = tmp_path / "land.tif", f"/vsicurl/{server.address}/x.tif"
    shutil.copy(land, path)
    source = f"<SimpleSource><SourceFilename>{far}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    if beside == "aux.xml":
        pam = f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{far}</MDI></Metadata></PAMDataset>'
        (tmp_path / "land.tif.aux.xml").write_text(pam)
    elif beside in ("msk", "ovr"):
        (tmp_path / f"land.tif.{beside}").write_text(_band(source))
    elif beside == "inside":
        with rasterio.open(path, "r+") as file:
            file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=far)
    elif beside == "a part":
        (tmp_path / "part.vrt").write_text(_band(source))
        path.write_text(_band("<SimpleSource><SourceFilename relativeToVRT='1'>part.vrt</SourceFilename></SimpleSource>"))
    else:
        path.write_text(_band(source if beside == "the raster" else source.replace("SourceFilename", "sourcefilename")))
    for job in (
        Classify(str(path), model, str(tmp_path / "map.tif"), device="cpu"),
        Polygonise(str(path), str(tmp_path / "polygons.gpkg")),
    ):
        with pytest.raises(InputError, match="read over the network: files on the disk ask no server"):
            run(job)
    assert server.asked == []


def test_labels_on_the_disk_ask_nobody(server: Server, land: str, encoder: str, tmp_path: Path) -> None:
    crs = f'"crs": {{"type": "link", "properties": {{"href": "{server.address}/crs"}}}}'
    labels = _with_crs(tmp_path, Good(land, "", encoder, ""), crs)
    with pytest.raises(InputError, match="ask no server"):
        run(Finetune(land, labels, "cover", str(tmp_path / "m.safetensors"), encoder, preset="quick", device="cpu", steps=1))
    assert server.asked == []


def test_what_no_check_has_seen_is_kept_from_the_network_by_gdal_itself(server: Server) -> None:
    address = f"/vsicurl/{server.address}/x.tif"
    with network_closed(unless=False), pytest.raises(rasterio.errors.RasterioIOError):
        rasterio.open(address)
    assert server.asked == []
    with pytest.raises(rasterio.errors.RasterioIOError):
        rasterio.open(address)
    assert server.asked


def test_a_job_that_needs_it_has_the_network_while_another_one_does_not() -> None:
    (name,) = CLOSED
    assert name not in os.environ
    with network_closed(unless=False):
        assert name in os.environ
        with network_closed(unless=True):
            assert name not in os.environ
        assert name in os.environ
    assert name not in os.environ


def test_an_address_is_known_in_any_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names_address(("a.tif", "/vsis3/b/c.tif"))
    assert names_address("https://host/a.tif")
    assert not names_address(("a.tif", 3, None))
    monkeypatch.setenv("FALSE_DRIVERS", "NITF, /vsis3/")
    assert names_address("a.tif")


def test_a_user_can_let_files_lead_there(server: Server, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "far.vrt"
    path.write_text(_band(f"<SimpleSource><SourceFilename>/vsicurl/{server.address}/x</SourceFilename></SimpleSource>"))
    monkeypatch.setenv("FALSE_DRIVERS", "/vsicurl/")
    with network_closed(unless=names_address(str(path))), pytest.raises(InputError, match="read over the network"):
        RasterSource(str(path)).read(Window(0, 0, 8, 8))
    assert server.asked


def test_reading_gml_leaves_no_file_beside_it(tmp_path: Path) -> None:
    import geopandas
    import shapely

    write_labels(tmp_path / "labels.gpkg", ["a", "b"], [on_map(shapely.box(k, k, k + 5, k + 5)) for k in (3, 20)])
    geopandas.read_file(tmp_path / "labels.gpkg").to_file(tmp_path / "labels.gml", driver="GML", engine="pyogrio")
    (tmp_path / "labels.xsd").unlink(missing_ok=True)
    before = sorted(tmp_path.iterdir())
    assert len(read_table(str(tmp_path / "labels.gml"), "cover", Listener().feedback)) == 2
    assert sorted(tmp_path.iterdir()) == before
