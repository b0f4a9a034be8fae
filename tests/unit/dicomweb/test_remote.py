"""DICOMweb servers in hand: by address or name, with a table, and with errors that help."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

import dicomlab as dl
from dicomlab import phantoms
from dicomlab.catalog import Query
from dicomlab.cli import main
from dicomlab.dicomweb import DicomWebSource, web_source
from dicomlab.errors import NotFoundError, PeerError, RefusedError
from dicomlab.server import serve


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("remote")
    phantoms.write(phantoms.thorax_ct(slices=4, rows=32), folder / "ct")
    with dl.open_archive(folder / "archive") as archive:
        archive.import_(folder / "ct")
        with serve(archive.source, folder=folder / "volumes") as server:
            yield f"{server.address}/dicom-web"


def test_a_server_answers_with_a_table_and_opens_volumes(address):
    with dl.connect(address) as server:
        (uid,) = server.find("series", Modality="CT")["SeriesInstanceUID"]

        assert server.find("study")["NumberOfStudyRelatedInstances"].tolist() == [4]
        assert server.series(uid).volume().shape == (4, 32, 32)


def test_a_configured_name_will_do(address, tmp_path, monkeypatch):
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text(f'[dicomweb.clinic]\nurl = "{address}"\n')

    result = CliRunner().invoke(main, ["find", "clinic", "--json", "Modality=CT", "--level=series"])

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["Modality"] == "CT"
    with pytest.raises(RefusedError, match="clinic"):
        web_source("nobody")


def test_the_command_takes_an_address(address):
    result = CliRunner().invoke(main, ["find", address, "--json"])

    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)) == 1


@pytest.mark.parametrize(
    "address", ["ftp://a/b", "http://user:secret@a/b", "https://", "http:///dicom-web"]
)
def test_what_is_no_address_is_refused_without_its_secret(address):
    with pytest.raises(ValueError, match="http") as caught:
        DicomWebSource(address)
    assert "secret" not in str(caught.value)


def test_nobody_there_is_one_sentence():
    with (
        DicomWebSource("http://127.0.0.1:9/dicom-web") as source,
        pytest.raises(PeerError, match=r"127\.0\.0\.1:9 cannot be asked: ConnectError"),
    ):
        list(source.records(Query("study")))


def test_what_is_not_there_is_not_found(address):
    with DicomWebSource(address) as source:
        with pytest.raises(NotFoundError):
            list(source.retrieve(Query("study", StudyInstanceUID="1.2.3"))) or source.instances("1")
        with pytest.raises(NotFoundError):
            source.instances("1.2.3")


def test_a_server_that_is_no_dicomweb_is_told(address):
    root = address.removesuffix("/dicom-web")
    with DicomWebSource(f"{root}/nowhere") as source, pytest.raises(NotFoundError):
        list(source.records(Query("study")))
    with DicomWebSource(f"{root}/api") as source, pytest.raises(PeerError):
        list(source.records(Query("study")))
