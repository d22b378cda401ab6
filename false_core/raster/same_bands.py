"""A raster used beside others, or with a model made on another one: the same bands, in the same numbers, and what to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from false_core.feedback import Feedback
from false_core.raster.band_descriptions import BandDescription, match_bands
from false_core.raster.source import RasterSource, names_of
from false_core.raster.statistics import number_ranges


@dataclass(frozen=True)
class BandReference:
    """The bands that a model, or the first of several rasters, has.

    Attributes:
        called: Name of what they belong to, in sentences.
        holds: End of a sentence about its data type.
        bands: Descriptions of the bands in that file.
        numbers: Their numbers in that file.
        dtype: Its data type.
    """

    called: str
    holds: str
    bands: tuple[BandDescription, ...]
    numbers: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, source: RasterSource) -> BandReference:
        """Return the bands of a raster."""
        return cls(source.name, f"{source.name} holds", source.descriptions, source.bands, source.dtype)


@dataclass
class Remarks:
    """Remarks on rasters: each one once, with the names of all rasters of which it is true."""

    infos: dict[str, list[RasterSource]] = field(default_factory=dict)
    warnings: dict[str, list[RasterSource]] = field(default_factory=dict)

    def info(self, source: RasterSource, text: str) -> None:
        """Take note of something to tell."""
        self.infos.setdefault(text, []).append(source)

    def warn(self, source: RasterSource, text: str) -> None:
        """Take note of something that may spoil the result."""
        self.warnings.setdefault(text, []).append(source)

    def warn_of_peculiarities(self, source: RasterSource) -> None:
        """Take note of what is peculiar about a file."""
        for text in source.peculiarities:
            self.warn(source, text)

    def tell(self, feedback: Feedback) -> None:
        """Say it all."""
        for text, sources in self.infos.items():
            feedback.info(f"{names_of(sources)}: {text}")
        for text, sources in self.warnings.items():
            feedback.warn(f"{names_of(sources)}: {text}")


def with_bands_of(
    reference: BandReference, source: RasterSource, in_order: Sequence[int] | None, remarks: Remarks, named: bool = False
) -> RasterSource | None:
    """Return a raster with the bands of a reference, in their order and in their numbers. See ``ordered_as``."""
    ordered = ordered_as(reference, source, in_order, remarks, named)
    return ordered and _in_numbers_of(reference, ordered, remarks)


def ordered_as(
    reference: BandReference, source: RasterSource, in_order: Sequence[int] | None, remarks: Remarks, named: bool = False
) -> RasterSource | None:
    """Return a raster with the bands of a reference, in their order.

    Args:
        source: The raster with all of its bands, or those asked for by number.
        in_order: The bands to take if nothing was known of them, None where their number does not fit.
        remarks: List that is told what was done, and what is in doubt.
        named: True where the bands were asked for by number. Then nothing is put in another order.

    Returns:
        None where there is no telling which bands are meant, and their number does not fit.
    """
    there = dict(zip(source.bands, source.descriptions))
    match = match_bands(reference.bands, reference.numbers, there, in_order, reference.called)
    chosen = tuple(in_order or ())
    if match.numbers is not None and match.numbers != chosen:
        if named:
            numbers = number_ranges(match.numbers)
            remarks.warn(
                source, f"{match.told_by}, the bands of {reference.called} are {numbers} here. Those asked for are used."
            )
        else:
            chosen = match.numbers
            remarks.info(source, f"using bands {number_ranges(chosen)} in this order, {match.told_by}.")
    elif match.warning:
        remarks.warn(
            source, f"{match.warning}. They are used in the order of the file: expect a poor result if it is another."
        )
    if not chosen:
        return None
    return source if chosen == source.bands else source.with_bands(chosen)


def _in_numbers_of(reference: BandReference, source: RasterSource, remarks: Remarks) -> RasterSource:
    """Return a raster in the scale and offset of a reference, as far as can be told how its numbers relate to them."""
    ours, theirs = ([(band.scale, band.offset) for band in bands] for bands in (source.descriptions, reference.bands))
    same_type = source.dtype == reference.dtype
    if ours == theirs:
        if not same_type:
            remarks.warn(
                source,
                f"it holds {source.dtype} values, {reference.holds} {reference.dtype} ones. Expect a poor result unless the "
                "same value means the same in both.",
            )
        return source.in_numbers_of(reference.bands, reference.dtype, convert=False)
    # Whole numbers without scale and offset may mean anything. Real ones are taken for what was measured.
    if _tells(ours, source.dtype) and _tells(theirs, reference.dtype):
        text = (
            f"scale and offset are {_in_words(ours)}, those of {reference.called} {_in_words(theirs)}. Values are converted."
        )
        if _says(ours) and _says(theirs):
            remarks.info(source, text)
        else:
            remarks.warn(source, f"{text} What says none is taken to hold the values themselves.")
        return source.in_numbers_of(reference.bands, reference.dtype, convert=True)
    remarks.warn(
        source,
        f"scale and offset are {_in_words(ours)}, those of {reference.called} {_in_words(theirs)}. Values are used as they "
        "are in the file: expect a poor result unless the same number means the same in both.",
    )
    return source.in_numbers_of(reference.bands, reference.dtype, convert=False)


def _says(pairs: Sequence[tuple[float, float]]) -> bool:
    return any(pair != (1.0, 0.0) for pair in pairs)


def _tells(pairs: Sequence[tuple[float, float]], dtype: str) -> bool:
    return _says(pairs) or np.dtype(dtype).kind == "f"


def _in_words(pairs: Sequence[tuple[float, float]]) -> str:
    if not _says(pairs):
        return "not given"
    different = list(dict.fromkeys(pairs))
    texts = [f"{scale:g} and {offset:g}" for scale, offset in different[:4]]
    return "; ".join(texts) + (" and others" if len(different) > 4 else "")
