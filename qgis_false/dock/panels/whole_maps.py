"""Whole maps: they are made with the model of the labels, bettered by pretraining, corrected and compared.

Before a map or a pretraining begins it is said what it costs, as *Estimate* of the dialogs does. A long one must be wanted.
One run at a time goes on in the background, beside the labelling, and also where the dock is closed meanwhile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional

from qgis.core import QgsPalettedRasterRenderer, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import Qt, QUrl, pyqtSignal
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QMenu, QProgressBar, QPushButton, QToolButton

from qgis_false.dialogs.destinations import free_path, name_of_output, proposed
from qgis_false.dock.background_run import BackgroundRun
from qgis_false.dock.finished_maps import add_above, compared_with, corrected_by, map_layers
from qgis_false.dock.label_file import file_beside
from qgis_false.dock.labelling import Labelling
from qgis_false.dock.line import Line
from qgis_false.dock.panels.panel import Panel, row
from qgis_false.dock.project_state import EncoderChoice, remember_work, remembered_work
from qgis_false.layers.class_styles import classes_of
from qgis_false.layers.result_metadata import layer_metadata
from qgis_false.layers.result_names import name_of_layer, stem_of
from qgis_false.layers.sources import as_it_is, raster_path
from qgis_false.made_files import MADE_ENCODER, MADE_SEGMENTER, remember_file
from qgis_false.translation import in_percent, tr

ASKED_FROM_S = 60
"""Seconds from which on a run begins only when a person wants it, who has been told what it costs."""


class _Subject(NamedTuple):
    """The raster that a run is about. Its layer may be gone when the run ends."""

    layer: str
    path: str


class WholeMapsPanel(Panel):
    """The buttons that map the whole raster, and what becomes of finished maps."""

    encoder_made = pyqtSignal(str)
    """The file of an encoder that was pretrained on the raster."""
    map_shown = pyqtSignal(str, str)
    """A new map lies upon a raster: the ids of both layers."""

    def __init__(self) -> None:
        super().__init__()
        self._run: Optional[BackgroundRun] = None
        self._planned: Optional[BackgroundRun] = None
        """The run that begins when a person wants it, knowing what it costs."""
        self._saves = False
        """True until the model of which the map is to be made is there."""
        self._subject = _Subject("", "")
        self.make_map, self.improve = QPushButton(tr("Make the map")), QPushButton(tr("Improve it"))
        self.make_map.setToolTip(tr("Saves the model beside the raster, and maps the whole raster with it."))
        self.make_map.clicked.connect(self._save_model)
        self.improve.setToolTip(
            tr("Pretrains an encoder on this raster in the background, minutes to hours long, and goes on with it then.")
        )
        self.improve.clicked.connect(self._improve)
        self.rows.addLayout(row(self.make_map, self.improve))
        self.finished = QToolButton()
        self.finished.setText(tr("A finished map..."))
        self.finished.setToolTip(tr("Corrects a map of the project by labels, or compares it with another one."))
        self.finished.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.finished)
        menu.addAction(tr("Overwrite it by the labels..."), self._correct)
        menu.addAction(tr("Compare it with another one..."), self._compare)
        self.finished.setMenu(menu)
        self.report = QPushButton(tr("Open the report"))
        self.report.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(self._report)))
        self.report.hide()
        self._report = ""
        """The file of the last comparison."""
        self.rows.addWidget(self.finished)
        self.rows.addWidget(self.report)
        self._progress = QProgressBar()
        self._progress.hide()
        self._cancel = QPushButton(tr("Cancel"))
        self._cancel.clicked.connect(self._end_run)
        self._cancel.hide()
        self.rows.addLayout(row(self._progress, self._cancel))
        self.go_ahead = QPushButton(tr("Start"))
        self.go_ahead.clicked.connect(self._start_planned)
        self.go_ahead.hide()
        self.line = Line()
        """The end of the last run: the state of the session stands far above, where nobody looks for it."""
        self.line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.line.hide()
        self.rows.addWidget(self.line)
        self.rows.addWidget(self.go_ahead)
        self.said.connect(lambda text, _: self._show_line(text))

    def begin(self, work: Labelling) -> None:
        """Map with the models that are saved from now on."""
        super().begin(work)
        self._show_line("")
        self.report.hide()
        work.model_saving.saved.connect(self._map_with)
        work.model_saving.not_saved.connect(self._do_without_model)
        work.model_saving.saved_late.connect(
            lambda path: self._show_line(tr("It was too late to cancel: the model is in {path}.", path=path))
        )

    def end(self) -> None:
        """Let go of the labelling. What runs goes on."""
        self._plan(None)
        if self._run is not None and self._run.only_estimates:
            self._run.cancel()
        self._wait_for_model(False)
        super().end()

    def _show_line(self, text: str) -> None:
        self.line.setText(text)
        self.line.setVisible(bool(text))

    def _wait_for_model(self, waits: bool) -> None:
        self._saves = waits
        self._show_run()

    def _do_without_model(self, why: str) -> None:
        self._wait_for_model(False)
        self._show_line(why)

    def _end_run(self) -> None:
        if self._planned is not None:
            self._plan(None)
            self._show_line(tr("Cancelled."))
        elif self._run is not None:
            self._run.cancel()
        elif self.work is not None:
            self.work.model_saving.withdraw()

    def _save_model(self) -> None:
        if self.work is not None and self._run is None and not self._saves:
            self._show_line("")
            self._wait_for_model(True)
            self.work.model_saving.ask(Path(_new_file(self.work.raster, "finetune", "model", ".safetensors")))

    def _map_with(self, path: str) -> None:
        """Map the whole raster with the model that was saved."""
        self._saves = False
        if self.work is not None:
            remember_file(MADE_SEGMENTER, path, [raster_path(self.work.raster)])
            output = _new_file(self.work.raster, "classify", "output", ".tif")
            self._begin_run("classify", {"RASTER": self.work.raster.id(), "MODEL": path, "OUTPUT": output})

    def _improve(self) -> None:
        if self.work is not None and self._run is None:
            encoder = _new_file(self.work.raster, "pretrain", "encoder", ".safetensors")
            self._begin_run("pretrain", {"RASTERS": [self.work.raster.id()], "ENCODER": encoder})

    def _correct(self) -> None:
        """Let the labels that are selected, or all, overwrite a finished map."""
        the_map = self.ask_for_map(tr("Overwrite a map by the labels"), map_layers())
        if the_map is not None and self.work is not None:
            output = _new_file(the_map, "editmap", "output", ".tif")
            self._begin_run("editmap", corrected_by(self.work.labels, the_map, output))

    def _compare(self) -> None:
        """Compare two finished maps."""
        maps = map_layers()
        if len(maps) == 1:
            self.said.emit(tr("There is only one map in the project. Make another one first."), True)
            return
        after = self.ask_for_map(tr("Which map is the later one?"), maps)
        if after is None:
            return
        before = self.ask_for_map(tr("With which map is it compared?"), [one for one in maps if one is not after])
        if before is not None:
            output = _new_file(after, "comparemaps", "output", ".tif")
            report = _new_file(after, "comparemaps", "report", ".html")
            self._begin_run("comparemaps", compared_with(before, after, output, report))

    def _begin_run(self, name: str, values: Dict[str, Any]) -> None:
        if self.work is not None:
            raster = self.work.raster
            self._subject = _Subject(raster.id(), raster_path(raster))
        run = BackgroundRun(name, values, self)
        run.progressed.connect(lambda percent: self._progress.setValue(round(percent)))
        run.ended.connect(self._on_end)
        if not run.can_be_estimated():
            self._show_line("")
            self._start(run)
            return
        estimate = BackgroundRun(name, values, self, only_estimates=True)
        estimate.ended.connect(lambda *how: self._on_estimate(run, *how))
        self._show_line(tr("It is estimated how long this takes."))
        self._start(estimate)

    def _start(self, run: BackgroundRun) -> None:
        self._run = run
        self._progress.setValue(0)
        self._show_run()
        run.start()

    def _on_estimate(self, run: BackgroundRun, successful: bool, results: Dict[str, Any], said: str) -> None:
        """Say what a run costs, and begin it where that is no matter. A long one has to be wanted."""
        estimate = self._run
        if not successful or self.work is None or estimate is None or estimate.is_cancelled:
            self._on_end(successful, results, said)
            return
        self._run = None
        self._show_run()
        self._show_line(said.rpartition("\n")[2])
        if results["SECONDS"] < ASKED_FROM_S:
            self._start(run)
        else:
            self._plan(run)

    def _plan(self, run: Optional[BackgroundRun]) -> None:
        self._planned = run
        self.go_ahead.setVisible(run is not None)
        self._show_run()

    def _start_planned(self) -> None:
        run = self._planned
        self._plan(None)
        if run is not None:
            self._start(run)

    def _show_run(self) -> None:
        runs, planned = self._run is not None, self._planned is not None
        is_measured = self._run is not None and not self._run.only_estimates
        self._cancel.setVisible(runs or planned or self._saves)
        self._progress.setVisible(runs or self._saves)
        # How long the session has to do other things first, and a test of this computer takes, nobody knows.
        self._progress.setRange(0, 100 if is_measured else 0)
        for button in (self.make_map, self.improve, self.finished):
            button.setEnabled(not runs and not planned and not self._saves)

    def _on_end(self, successful: bool, results: Dict[str, Any], said: str) -> None:
        run, self._run = self._run, None
        self._show_run()
        if run is None or (run.only_estimates and (successful or self.work is None)):  # Nobody wants it any more.
            return
        if not successful:
            last_line = said.rpartition("\n")[2]
            text = tr("Cancelled.") if run.is_cancelled else last_line or tr("It has failed.")
            self.said.emit(text, not run.is_cancelled)
        elif run.name == "pretrain":
            self._take_encoder(results["ENCODER"])
        elif run.name == "comparemaps":
            self._load_map(results["OUTPUT"], tr("Where they differ"), run)
            told = tr("{percent} of the pixels changed. The report is in {path}.",
                      percent=in_percent(results["CHANGED"], 1), path=results["REPORT"])  # fmt: skip
            self.said.emit(told, False)
            self._report = results["REPORT"]
            self.report.show()
        else:
            what = tr("Classified raster") if run.name == "classify" else tr("Corrected map")
            self._load_map(results["OUTPUT"], what, run)

    def _take_encoder(self, path: str) -> None:
        """Go on with an encoder; where something else is labelled by now, when its raster is labelled again."""
        remember_file(MADE_ENCODER, path, [self._subject.path])
        if self.work is not None and self.work.raster.id() == self._subject.layer:
            self.encoder_made.emit(path)
            self._show_line(tr("It goes on with the encoder in {path}.", path=path))
            return
        known = remembered_work()
        if known is not None and known.raster.id() == self._subject.layer:
            remember_work(known.raster, known.labels, EncoderChoice(encoder=path))
        self.said.emit(tr("The encoder is in {path}.", path=path), False)

    def _load_map(self, path: str, what: str, run: BackgroundRun) -> None:
        raster = QgsProject.instance().mapLayer(self._subject.layer)
        if isinstance(raster, QgsRasterLayer):  # Another project may be open by now, of which it is no part.
            self._add_map(path, what, run, raster)
        self.said.emit(tr("The map is in {path}.", path=path), False)

    def _add_map(self, path: str, what: str, run: BackgroundRun, raster: QgsRasterLayer) -> None:
        with as_it_is(path):
            layer = QgsRasterLayer(path, name_of_layer(what, stem_of(raster_path(raster)) or raster.name()))
        layer.setMetadata(layer_metadata(run.name, run.inputs()))
        classes = classes_of(path)
        if classes:
            layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
        add_above(layer, raster)
        self.map_shown.emit(layer.id(), raster.id())


def _new_file(layer: QgsRasterLayer, algorithm: str, output: str, ending: str) -> str:
    """Return a free path for what is made of a raster, in the folder of its labels where no other one is proposed."""
    start = file_beside(layer, f"_{name_of_output(algorithm, output)}")
    return proposed(raster_path(layer), algorithm, output, ending) or str(free_path(start, ending))
