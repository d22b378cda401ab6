"""Every error message in the product says what happened, as a sentence. ``--every-error`` has each provoked by a test."""

from __future__ import annotations

import pytest
from error_messages import Site, sites_in

SITES = [*sites_in("false_core"), *sites_in("qgis_false")]


def test_there_are_messages_to_look_at() -> None:
    assert len(SITES) > 150


class TestAMessage:
    @pytest.mark.parametrize("site", SITES, ids=lambda site: f"{site.file}:{site.lines[0]}")
    def test_ends_as_a_sentence_does(self, site: Site) -> None:
        if not site.message.startswith("… ("):
            assert site.message.rstrip("…").rstrip()[-1:] in ".:" or site.message.endswith("…"), site.message
