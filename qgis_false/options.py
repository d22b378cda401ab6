"""The page FALSE in Settings > Options: what is remembered, how the compute environment is, and what can be done to it."""

from __future__ import annotations

from typing import Any, Dict, Optional

from qgis.gui import QgsFileWidget, QgsOptionsPageWidget, QgsOptionsWidgetFactory
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from qgis_false import ICON_FILE, settings
from qgis_false.choice_names import choice_name
from qgis_false.environment import versions
from qgis_false.environment.interpreters import NoEnvironment, find_interpreter, managed_folder
from qgis_false.environment.state import WORKS, read_state
from qgis_false.settings import Setting
from qgis_false.translation import tr

DEVICES = ("auto", "cuda", "cuda:0", "cuda:1", "mps", "cpu")


class OptionsFactory(QgsOptionsWidgetFactory):
    """Makes the page when the user opens the options."""

    def __init__(self) -> None:
        super().__init__("FALSE", QIcon(str(ICON_FILE)))

    def createWidget(self, parent: Optional[QWidget] = None) -> QgsOptionsPageWidget:
        return OptionsPage(parent)


class OptionsPage(QgsOptionsPageWidget):
    """The page. It looks at files only: opening the options starts nothing."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._fields: Dict[str, Any] = {
            settings.INTERPRETER.key: _file(QgsFileWidget.StorageMode.GetFile),
            settings.DEVICE.key: _choice(DEVICES, editable=True),
            settings.MEMORY.key: _gigabytes(0.1),
            settings.CACHE.key: _file(QgsFileWidget.StorageMode.GetDirectory),
            settings.DISK.key: _gigabytes(0.0),
            settings.DISK_FOLDER.key: _file(QgsFileWidget.StorageMode.GetDirectory),
            settings.DISK_FOR.key: _choice(settings.KEPT_ON_DISK),
            settings.MORE_DRIVERS.key: QLineEdit(),
            settings.AUTHOR.key: QLineEdit(),
            settings.LAUNCHER.key: QLineEdit(),
            settings.SCHEDULER.key: QLineEdit(),
            settings.PATHS.key: QLineEdit(),
            settings.LOG_LEVEL.key: _choice(settings.LOG_LEVELS),
        }
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.addWidget(self._environment_box())
        layout.addWidget(self._settings_box())
        layout.addStretch()
        scroll = QScrollArea()
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setWidget(content)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)

    def apply(self) -> None:
        """Remember what was entered. QGIS calls this when the options are accepted."""
        for setting in settings.PLUGIN_SETTINGS:
            if not setting.is_overridden():
                setting.store(_value(self._fields[setting.key]))

    def _environment_box(self) -> QGroupBox:
        box = QGroupBox(tr("Compute environment"))
        layout = QVBoxLayout(box)
        self.state = QLabel(state_of_environment())
        self.state.setWordWrap(True)
        layout.addWidget(self.state)
        row = QHBoxLayout()
        buttons = {
            "false:setupenvironment": tr("Set up..."),
            "false:checkenvironment": tr("Check..."),
            "false:diagnostics": tr("Diagnostics..."),
        }
        for algorithm, text in buttons.items():
            button = QPushButton(text)
            button.setObjectName(algorithm)
            button.clicked.connect(lambda _=False, name=algorithm: self._open(name))
            row.addWidget(button)
        row.addStretch()
        layout.addLayout(row)
        return box

    def _settings_box(self) -> QGroupBox:
        box = QGroupBox(tr("Settings"))
        form = QFormLayout(box)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        for setting in settings.PLUGIN_SETTINGS:
            field = self._fields[setting.key]
            field.setObjectName(setting.key)
            _show(field, setting)
            variable = tr("The variable {variable} does the same and comes first.", variable=setting.variable)
            field.setToolTip(f"<p>{tr(setting.help)}</p><p>{variable}</p>")
            form.addRow(tr(setting.label), _with_note(field, setting))
            field.setEnabled(not setting.is_overridden())
        return box

    def _open(self, algorithm: str) -> None:
        """Open the dialog of an algorithm. What was entered on the page is remembered first, so that it counts."""
        import processing  # Only here: the page itself is there before Processing is.

        self.apply()
        # A dialog that waits, as the options do: behind them it could not be reached.
        processing.execAlgorithmDialog(algorithm, {})
        self.state.setText(state_of_environment())


def state_of_environment() -> str:
    """Return in words whether there is a compute environment and what it was found to be."""
    try:
        interpreter = find_interpreter()
    except NoEnvironment as error:
        return str(error)
    lines = [tr("{path} (from {origin})", path=interpreter.path, origin=interpreter.origin)]
    problem = versions.problem_of_environment(interpreter)
    state = read_state(managed_folder())
    if problem:
        lines.append(problem)
    elif state is not None and state.stage == WORKS and managed_folder() in interpreter.path.parents:
        said = state.results
        lines.append(
            tr(
                "Ready: PyTorch {torch}, Python {python}, on {device}.",
                torch=said.get("torch"),
                python=said.get("python"),
                device=said.get("device_name"),
            )
        )
    return "\n".join(lines)


def _with_note(field: QWidget, setting: Setting) -> QWidget:
    """Return the field with its help below it, as wide as the page."""
    both = QWidget()
    layout = QVBoxLayout(both)
    layout.setContentsMargins(0, 0, 0, 6)
    layout.setSpacing(2)
    layout.addWidget(field)
    layout.addWidget(_note(setting))
    return both


def _note(setting: Setting) -> QLabel:
    overridden = tr("The variable {variable} is set and comes first.", variable=setting.variable)
    note = QLabel(overridden if setting.is_overridden() else tr(setting.help))
    note.setWordWrap(True)
    note.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
    font = note.font()
    font.setPointSizeF(font.pointSizeF() * 0.9)
    note.setFont(font)
    return note


def _file(mode: Any) -> QgsFileWidget:
    field = QgsFileWidget()
    field.setStorageMode(mode)
    return field


def _choice(choices: Any, editable: bool = False) -> QComboBox:
    field = QComboBox()
    for choice in choices:
        field.addItem(choice if editable else choice_name(choice), choice)
    field.setEditable(editable)
    return field


def _gigabytes(least: float) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setRange(least, 10_000.0)
    field.setDecimals(1)
    return field


def _show(field: Any, setting: Setting) -> None:
    value = setting.value() if setting.is_overridden() else setting.stored() or setting.default
    if isinstance(field, QgsFileWidget):
        field.setFilePath(value)
    elif isinstance(field, QDoubleSpinBox):
        try:
            field.setValue(float(value))
        except ValueError:
            field.setValue(float(setting.default))  # A word was written into the settings file.
    elif isinstance(field, QLineEdit):
        field.setText(value)
    elif field.isEditable():
        field.setCurrentText(value)
    else:
        field.setCurrentIndex(max(0, field.findData(value)))


def _value(field: Any) -> str:
    if isinstance(field, QgsFileWidget):
        return str(field.filePath())
    if isinstance(field, QLineEdit):
        return str(field.text())
    if isinstance(field, QDoubleSpinBox):
        return f"{field.value():g}"
    return str(field.currentText() if field.isEditable() else field.currentData())
