"""What members' administrators are asked to do."""

from __future__ import annotations

import json

import pytest

from mailman_arc.policy.trustkit import show_trust_kit, trust_kit


DOMAINS = ("lists.example", "press.example")


@pytest.mark.parametrize("domains", [DOMAINS, DOMAINS[:1]])
def test_every_product_is_told_every_domain(domains):
    for recipe in trust_kit(domains):
        assert all(domain in recipe.text for domain in domains), recipe


def test_the_products():
    assert [each.product for each in trust_kit(DOMAINS)] == [
        "Microsoft 365",
        "rspamd",
        "Authentication Milter",
        "OpenDMARC",
        "MDaemon",
    ]


def test_the_json_is_json():
    [text] = [each.text for each in trust_kit(DOMAINS) if each.product.startswith("Au")]

    assert json.loads(f"{{{text}}}")["ARC"]["trusted_domains"] == list(DOMAINS)


def test_microsofts_list_is_added_to():
    text = trust_kit(DOMAINS)[0].text

    assert text.splitlines()[0].startswith("$sealers = @(Get-ArcConfig")
    assert '$sealers += "lists.example", "press.example"' in text


def test_the_text_begins_with_the_reason_and_has_all_recipes():
    text = show_trust_kit(DOMAINS)

    assert text.startswith("Mail of our mailing lists is sealed (ARC, RFC 8617) by ")
    assert "    DomainWhitelist lists.example,press.example\n" in text
    assert "reason=130" in text
    assert text.endswith("    lists.example\n    press.example\n")
