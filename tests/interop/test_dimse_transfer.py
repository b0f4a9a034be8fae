"""Studies from and to the PACS of others: all of them, once, proved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from click.testing import CliRunner
from pydicom import Dataset
from pydicom.uid import JPEGLSLossless, RLELossless

import dicomlab as dl
from dicomlab import phantoms
from dicomlab.cli import main
from dicomlab.errors import IncompleteError
from dicomlab.testing import contract_instances
from tests.dicom_peers import Running, dcmqrscp, free_port, orthanc, storescp
from tests.peers import Peers


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep journal and configuration of a test to itself."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))


@pytest.fixture
def held() -> list[Dataset]:
    return contract_instances()


@pytest.fixture
def files(tmp_path: Path, held: list[Dataset]) -> list[Path]:
    return phantoms.write(held, tmp_path / "files")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[dl.Archive]:
    with dl.open_archive(tmp_path / "archive") as opened:
        yield opened


def send(peers: Peers, to: Running, *files: Path, options: tuple[str, ...] = ()) -> None:
    peers.run("storescu", *options, "-aec", to.aet, "127.0.0.1", str(to.port), *files)


def contents(archive: dl.Archive) -> dict[str, Dataset]:
    """Return the data sets of an archive, by SOP Instance UID."""
    found = {}
    for uid, data in archive.source.retrieve(dl.Query("image")):
        stream = pydicom.filebase.DicomBytesIO(data.read_at(0, data.size))
        found[uid] = pydicom.dcmread(stream)
    return found


@pytest.mark.parametrize("kind", [orthanc, dcmqrscp])
def test_studies_are_pulled_whole(  # type: ignore[no-untyped-def]
    peers: Peers, tmp_path: Path, archive: dl.Archive, held: list[Dataset], files: list[Path], kind
) -> None:
    """C-GET: every element as the PACS had it; a second pull asks for nothing."""
    with kind(peers, tmp_path / "pacs") as pacs:
        send(peers, pacs, *files)
        peer = dl.connect(pacs.url)
        table = peer.find()

        first = archive.pull(peer, table)
        second = archive.pull(peer, table)

    assert first.is_complete
    assert (first.received, second.received) == (len(held), 0)
    assert sum(row.already_there for row in second.rows) == len(held)
    assert contents(archive) == {one.SOPInstanceUID: one for one in held}


def test_only_what_is_missing_is_asked_for_again(
    peers: Peers, tmp_path: Path, archive: dl.Archive, held: list[Dataset], files: list[Path]
) -> None:
    """What a pull that broke off left is fetched, by the UIDs of its images."""
    archive.import_(*files[:4])
    with orthanc(peers, tmp_path / "pacs") as pacs:
        send(peers, pacs, *files)
        peer = dl.connect(pacs.url)

        report = archive.pull(peer, peer.find("series"))

    assert report.is_complete
    assert report.received == len(held) - 4
    assert len(contents(archive)) == len(held)


def test_a_peer_without_get_is_asked_to_move(
    peers: Peers, tmp_path: Path, archive: dl.Archive, held: list[Dataset], files: list[Path]
) -> None:
    """C-MOVE to a node of ours that it knows."""
    port = free_port()
    with (
        dcmqrscp(peers, tmp_path / "pacs", {"DICOMLAB": port}, "--disable-get") as pacs,
        dl.node(archive, port=port) as node,
    ):
        send(peers, pacs, *files)
        peer = dl.connect(pacs.url)
        table = peer.find()
        without = archive.pull(peer, table)
        with_node = archive.pull(peer, table, node=node)

    assert "C-MOVE" in without.rows[0].error
    assert with_node.is_complete
    assert with_node.received == len(held)
    assert contents(archive) == {one.SOPInstanceUID: one for one in held}


def test_studies_are_pushed_as_they_are(
    peers: Peers, tmp_path: Path, archive: dl.Archive, held: list[Dataset], files: list[Path]
) -> None:
    """C-STORE: the data sets are equal; a push of what is missing sends nothing twice."""
    archive.import_(*files)
    with orthanc(peers, tmp_path / "pacs") as pacs:
        peer = dl.connect(pacs.url)
        first = archive.push(peer, archive.find())
        again = archive.push(peer, archive.find("series"), missing_only=True)
        with dl.open_archive(tmp_path / "back") as back:
            back.pull(peer, peer.find())
            returned = contents(back)

    assert first.is_complete
    assert len(first.sent) == len(held)
    assert (again.sent, len(again.already_there)) == ([], len(held))
    assert returned == {one.SOPInstanceUID: one for one in held}


@pytest.mark.parametrize(
    ("syntax", "options"),
    [(JPEGLSLossless, "+xt"), (RLELossless, "+xr")],
)
def test_compressed_pixels_go_compressed_or_are_decoded(
    peers: Peers, tmp_path: Path, archive: dl.Archive, syntax: str, options: str
) -> None:
    """A peer that takes the syntax gets the bytes; another one gets the same pixels decoded."""
    (one,) = phantoms.thorax_ct(slices=1, rows=32)
    pixels = one.pixel_array.copy()
    one.compress(syntax, generate_instance_uid=False)
    (path,) = phantoms.write([one], tmp_path / "files")
    archive.import_(path)

    for name, option in (("takes", options), ("plain", "+x=")):
        with storescp(peers, tmp_path / name, option) as peer:
            report = archive.push(dl.connect(peer.url), archive.find())
        assert report.is_complete
    taken, plain = (
        pydicom.dcmread(next((tmp_path / name).iterdir())) for name in ("takes", "plain")
    )

    assert taken.file_meta.TransferSyntaxUID == syntax
    assert taken.PixelData == one.PixelData
    assert not plain.file_meta.TransferSyntaxUID.is_compressed
    assert (plain.pixel_array == pixels).all()
    assert plain.SOPInstanceUID == one.SOPInstanceUID


def test_a_peer_that_dies_leaves_a_report_that_can_be_gone_on_from(
    peers: Peers, tmp_path: Path, archive: dl.Archive, files: list[Path]
) -> None:
    """storescp aborts amid the push; the report says what is left."""
    archive.import_(*files)
    with storescp(peers, tmp_path / "scp", "--abort-after") as peer:
        with pytest.raises(IncompleteError) as caught:
            archive.push(dl.connect(peer.url), archive.find())
        report = caught.value.report

    assert len(report.left) + len(report.sent) + len(report.failed) == len(files)  # type: ignore[attr-defined]
    assert report.left  # type: ignore[attr-defined]


def test_the_commands_do_the_same(
    peers: Peers, tmp_path: Path, held: list[Dataset], files: list[Path]
) -> None:
    """``pull`` from one PACS and ``push`` to another, by Keyword=Value."""
    runner = CliRunner()
    choice = ["--archive", str(tmp_path / "archive")]
    with orthanc(peers, tmp_path / "pacs") as pacs, storescp(peers, tmp_path / "scp") as scp:
        send(peers, pacs, *files)
        echo = runner.invoke(main, ["echo", pacs.url])
        pull = runner.invoke(main, ["pull", pacs.url, "AccessionNumber=A1", *choice])
        push = runner.invoke(main, ["push", scp.url, "Modality=OT", "--level", "series", *choice])

    assert [done.exit_code for done in (echo, pull, push)] == [0, 0, 0]
    assert "6 received" in pull.output
    assert "2 instances sent" in push.output
    assert len(list((tmp_path / "scp").iterdir())) == 2


def test_a_job_goes_on_beside_the_notebook(
    peers: Peers, tmp_path: Path, archive: dl.Archive, files: list[Path]
) -> None:
    """``wait=False`` returns at once; the report is its result."""
    with orthanc(peers, tmp_path / "pacs") as pacs:
        send(peers, pacs, *files)
        peer = dl.connect(pacs.url)
        job = archive.pull(peer, peer.find(), wait=False)
        report = job.result(60)

    assert report.is_complete
    assert job.progress.done == len(files)
