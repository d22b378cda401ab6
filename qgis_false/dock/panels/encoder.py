"""The encoder that looks at the raster: the general one, one of the user's own, none, or a model."""

from __future__ import annotations

from qgis.PyQt.QtWidgets import QComboBox, QLabel

from false_core.jobs import GENERAL_WEIGHTS, NO_WEIGHTS
from qgis_false.dock.labelling import Labelling
from qgis_false.dock.panels.panel import Panel, row
from qgis_false.dock.project_state import EncoderChoice
from qgis_false.translation import tr

ENCODER_GENERAL, ENCODER_FILE, ENCODER_NONE, MODEL_FILE = range(4)


class EncoderPanel(Panel):
    """The choice of an encoder or of a model to go on from."""

    def __init__(self) -> None:
        super().__init__()
        self.choice = QComboBox()
        self.choice.addItems(
            [tr("General encoder"), tr("Encoder file..."), tr("None: colours and texture"), tr("Model file...")]
        )
        self.choice.setToolTip(
            tr(
                "What looks at the raster: the general encoder alone, with one of your own, or none, which is quicker and "
                "mostly worse; or a model."
            )
        )
        self.choice.activated.connect(self._choose)
        self.rows.addLayout(row(QLabel(tr("Encoder")), self.choice))

    def begin(self, work: Labelling) -> None:
        """Show what looks at the raster."""
        super().begin(work)
        self._show(work.encoder_choice)

    def take_encoder(self, path: str) -> None:
        """Go on with an encoder of the user's own."""
        self._take(EncoderChoice(encoder=path))

    def take_model(self, path: str) -> None:
        """Go on with a model and its classes."""
        self._take(EncoderChoice(model=path), with_classes=True)

    def _take(self, encoder_choice: EncoderChoice, with_classes: bool = False) -> None:
        if self.work is not None:
            self._show(encoder_choice)
            self.work.reopen(encoder_choice, adopt_classes=with_classes)

    def _show(self, encoder_choice: EncoderChoice) -> None:
        without = ENCODER_GENERAL if encoder_choice.weights == GENERAL_WEIGHTS else ENCODER_NONE
        self.choice.setCurrentIndex(
            MODEL_FILE if encoder_choice.model else ENCODER_FILE if encoder_choice.encoder else without
        )

    def _choose(self, index: int) -> None:
        if self.work is None:
            return
        if index in (ENCODER_GENERAL, ENCODER_NONE):
            self._take(EncoderChoice(weights=GENERAL_WEIGHTS if index == ENCODER_GENERAL else NO_WEIGHTS))
            return
        path = self.ask_for_file(tr("Encoder file") if index == ENCODER_FILE else tr("Model file"))
        if path:
            self._take(EncoderChoice(encoder=path) if index == ENCODER_FILE else EncoderChoice(model=path))
        else:
            self._show(self.work.encoder_choice)
