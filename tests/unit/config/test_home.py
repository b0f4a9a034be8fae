"""Where things are kept is one environment variable."""

from pathlib import Path

import pytest

from dicomlab import config


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """DICOMLAB_HOME decides, and a relative one counts from the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DICOMLAB_HOME", "here")

    assert config.home() == tmp_path / "here"


@pytest.mark.parametrize("named", [None, ""])
def test_without_it_the_folder_is_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str | None
) -> None:
    """Unset and empty are alike."""
    monkeypatch.setenv("HOME", str(tmp_path))
    if named is None:
        monkeypatch.delenv("DICOMLAB_HOME", raising=False)
    else:
        monkeypatch.setenv("DICOMLAB_HOME", named)

    assert config.home() == tmp_path / ".dicomlab"
