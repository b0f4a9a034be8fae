"""Which form a client gets: the content negotiation of PS3.18 8.7, case by case."""

import pytest

from dicomlab.dicomweb._media_types import Offer, choose, read_accept
from dicomlab.errors import RequestError

LITTLE, JLS = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.80"
JSON = Offer("application/dicom+json")
XML = Offer("application/dicom+xml", is_multipart=True)
PLAIN = Offer("application/octet-stream", is_multipart=True, transfer_syntax_uids=(LITTLE,))
STORED = Offer("image/jls", is_multipart=True, transfer_syntax_uids=(JLS,), is_stored=True)
ALONE = Offer("image/jls", transfer_syntax_uids=(JLS,), is_stored=True)


@pytest.mark.parametrize(
    ("accept", "offers", "expected"),
    [
        ("", [JSON, XML], JSON),
        ("*/*", [JSON, XML], JSON),
        ("application/*", [JSON, XML], JSON),
        ("application/dicom+json", [JSON, XML], JSON),
        ("APPLICATION/DICOM+JSON", [JSON, XML], JSON),
        ('multipart/related; type="application/dicom+xml"', [JSON, XML], XML),
        ("multipart/related; type=application/dicom+xml", [JSON, XML], XML),
        ("multipart/related", [JSON, XML], XML),
        ('application/dicom+json; q=0.5, multipart/related; type="application/dicom+xml"',
         [JSON, XML], XML),
        ('application/dicom+json, multipart/related; type="application/dicom+xml"; q=0.5',
         [JSON, XML], JSON),
        ("*/*; q=0.1, application/dicom+json; q=0", [JSON, XML], XML),
        ("text/html, application/dicom+json;q=0.9, */*;q=0.8", [JSON, XML], JSON),
        ('multipart/related; type="image/*"', [PLAIN, STORED], STORED),
        (f'multipart/related; type="image/jls"; transfer-syntax={JLS}', [PLAIN, STORED], STORED),
        (f'multipart/related; type="*/*"; transfer-syntax={JLS}', [PLAIN, STORED], STORED),
        ('multipart/related; type="*/*"; transfer-syntax=*', [PLAIN, STORED], STORED),
        ('multipart/related; type="*/*"', [PLAIN, STORED], PLAIN),
        ("*/*; transfer-syntax=*", [PLAIN, STORED], STORED),
        ("image/jls", [PLAIN, STORED, ALONE], ALONE),
    ],
)  # fmt: skip
def test_the_best_form_that_both_know_is_chosen(accept, offers, expected):
    assert choose(read_accept([accept]), offers).offer is expected


@pytest.mark.parametrize(
    ("accept", "offers"),
    [
        ("text/html", [JSON, XML]),
        ("application/dicom+xml", [JSON, XML]),
        ("application/dicom+json; q=0", [JSON]),
        ('multipart/related; type="application/dicom+json"', [JSON]),
        ('multipart/related; type="image/jpeg"', [PLAIN, STORED]),
        ("image/jls; transfer-syntax=1.2.840.10008.1.2.4.90", [PLAIN, STORED, ALONE]),
        ("application/octet-stream", [PLAIN]),
    ],
)
def test_what_nobody_can_give_is_406(accept, offers):
    with pytest.raises(RequestError) as caught:
        choose(read_accept([accept]), offers)
    assert caught.value.status == 406


def test_a_transfer_syntax_that_is_asked_for_is_told():
    chosen = choose(read_accept([f"image/jls; transfer-syntax={JLS}"]), [ALONE])
    assert chosen.transfer_syntax_uid == JLS
    assert choose(read_accept(["*/*"]), [PLAIN]).transfer_syntax_uid == LITTLE


@pytest.mark.parametrize(
    "accept",
    ["application", "a/b/c", "a/b; q=2", "a/b; q=x", 'a/b; c="d', "a/b; c", "a/b c/d", "a/b,,;"],
)
def test_what_is_no_accept_header_is_400(accept):
    with pytest.raises(RequestError) as caught:
        read_accept([accept])
    assert caught.value.status == 400


def test_a_header_without_end_is_refused():
    with pytest.raises(RequestError):
        read_accept(["a/b," * 100_000])
