"""Every phantom recipe gives, on this machine and with these releases, the bytes it promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomlab import datasets


@pytest.mark.parametrize("one", [one for one in datasets.list() if one.series], ids=lambda o: o.id)
def test_a_recipe_keeps_its_promise(tmp_path: Path, one: datasets.DataSet):
    """The SHA-256 in the description is that of what is made here."""
    got = datasets.fetch(one, tmp_path)

    assert not got.was_there
    assert sum(path.is_file() for path in got.path.rglob("*")) == one.count
