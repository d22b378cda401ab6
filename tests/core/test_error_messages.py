"""Every error message in the product says what happened, as a sentence. ``--every-error`` has each provoked by a test."""

from __future__ import annotations

from error_messages import Site, sites_in


def ends_as_a_sentence_does(site: Site) -> bool:
    """Whether a message does, as far as that can be read from the source."""
    return site.message.startswith("… (") or site.message.endswith("…") or site.message[-1:] in ".:"


def test_every_message_ends_as_a_sentence_does() -> None:
    sites = [*sites_in("false_core"), *sites_in("qgis_false")]
    assert len(sites) > 150
    assert not [str(site) for site in sites if not ends_as_a_sentence_does(site)]
