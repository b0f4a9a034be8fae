"""Commands answer people and machines, and their exit codes tell the truth."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

import dicomlab as dl
from dicomlab import phantoms
from dicomlab.cli import main
from tests.small import part10, uid


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small CT and a file that is no DICOM."""
    folder: Path = tmp_path_factory.mktemp("scans")
    phantoms.write(phantoms.thorax_ct(slices=6, rows=32), folder / "ct")
    (folder / "notes.txt").write_text("not DICOM")
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what runs a command in an empty home."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return invoke


def test_import_reports_and_ends_with_0(run, scans: Path):
    """What is not DICOM is reported and is no failure."""
    done = run("import", scans, "--json")

    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["counts"]["new"] == 6
    assert report["counts"]["not_dicom"] == 1


def test_import_of_a_damaged_file_ends_with_3(run, scans: Path, tmp_path: Path):
    """Something refused means done in part, and the report says why."""
    whole = next((scans / "ct").iterdir()).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:-500])

    done = run("import", tmp_path / "cut.dcm", scans, "--json")

    assert done.exit_code == 3
    report = json.loads(done.stdout)
    assert [row["reason"] for row in report["rows"] if row["outcome"] == "refused"] == ["truncated"]


def test_archive_check_tells_sound_repaired_and_damaged_apart(run, scans: Path, tmp_path: Path):
    """0 sound, 1 something is wrong, 3 put right in part; the document says what."""
    run("import", scans)
    first, second, *_ = sorted((tmp_path / "home" / "archive" / "instances").rglob("*.dcm"))

    sound = run("archive", "check", "--json")
    for index in (tmp_path / "home" / "archive").glob("index.sqlite3*"):
        index.unlink()
    unknown = run("archive", "check", "--json")
    first.write_bytes(first.read_bytes()[:-1])
    partly = run("archive", "check", "--repair", "--json")
    whole = run("archive", "check", "--rebuild")

    assert sound.exit_code == 0
    assert json.loads(sound.stdout)["files"] == 6
    assert unknown.exit_code == 1
    assert json.loads(unknown.stdout)["counts"]["not_indexed"] == 6
    assert partly.exit_code == 3
    rows = json.loads(partly.stdout)["rows"]
    assert [row["problem"] for row in rows] == ["damaged"] + 5 * ["not_indexed"]
    assert whole.exit_code == 0
    assert "5 files" in whole.stdout
    assert second.exists()


def test_find_as_json_has_rows_by_keyword(run, scans: Path):
    """One document on standard output, dates in ISO form."""
    run("import", scans)

    done = run("find", "--level", "series", "Modality=CT", "--json")

    assert done.exit_code == 0
    (row,) = json.loads(done.stdout)
    assert row["NumberOfSeriesRelatedInstances"] == 6
    assert row["StudyDate"].startswith("2024-01-15")


def test_find_in_a_folder_without_importing(run, scans: Path):
    """SOURCE may be a folder; nothing is imported for it."""
    found = run("find", scans, "--level", "image", "--json")
    archived = run("find", "--json")

    assert len(json.loads(found.stdout)) == 6
    assert json.loads(archived.stdout) == []


def test_find_in_a_folder_says_what_it_left_out(run, scans: Path, tmp_path: Path):
    """An answer that misses a damaged file is an answer in part, with the reason."""
    whole = next((scans / "ct").iterdir()).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:-500])

    done = run("find", tmp_path, "--json")

    assert done.exit_code == 3
    assert json.loads(done.stdout) == []
    assert "truncated (1)" in done.stderr
    assert run("find", scans).exit_code == 0


def test_a_disc_with_its_directory_imports_whole(run, scans: Path, tmp_path: Path):
    """A media directory lists instances and is none: nothing is lost without it."""
    shutil.copytree(scans / "ct", tmp_path / "disc" / "ct")
    directory = Dataset()
    directory.FileSetID = "DISC"
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dcmwrite(tmp_path / "disc" / "DICOMDIR", directory, enforce_file_format=True)

    done = run("import", tmp_path / "disc", "--json")

    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["counts"]["new"] == 6
    assert [row["reason"] for row in report["rows"]] == ["media-directory"]
    assert run("find", tmp_path / "disc").exit_code == 0


def test_each_file_stands_with_its_own_reason(run, scans: Path, tmp_path: Path):
    """A report never says of one file what is true of another."""
    (tmp_path / "empty.dcm").touch()
    shutil.copy(scans / "notes.txt", tmp_path)

    for said in (run("import", tmp_path).stdout, str(dl.open(tmp_path).report)):
        about = {line.split(": ")[0].rpartition("/")[2]: line for line in said.splitlines()}
        assert "empty" in about["empty.dcm"].partition(": ")[2]
        assert "empty" not in about["notes.txt"]


def test_an_unknown_keyword_is_one_sentence(run):
    """An error is a sentence and its exit code, for machines a document; never a traceback."""
    done = run("find", "PatentName=X", "--json")

    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "NotFoundError"
    assert "PatientName" in error["message"]
    assert "Traceback" not in done.stderr


def test_convert_writes_and_checks(run, scans: Path, tmp_path: Path):
    """A folder with one series becomes a store that reads back equal."""
    done = run("convert", scans, "--to", tmp_path / "ct.ome.zarr", "--check", "--json")

    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["shape"] == [6, 32, 32]
    assert facts["check"]["unequal_voxels"] == 0
    assert facts["check"]["voxels"] == 6 * 32 * 32


def test_convert_of_an_unknown_series_fails(run):
    """A UID that the archive does not hold is exit code 1."""
    done = run("convert", "1.2.3", "--to", "x.ome.zarr")

    assert done.exit_code == 1
    assert "SeriesInstanceUID" in done.stderr


def test_a_wrong_call_ends_with_2(run):
    """What click refuses is exit code 2."""
    assert run("import").exit_code == 2
    assert run("find", "--limit", "-1").exit_code == 2
    assert run("find", "a", "b").exit_code == 2


@pytest.mark.parametrize(
    "asked",
    [
        "StudyDate=nonsense",
        "StudyDate=20240201-20240101",
        "StudyInstanceUID=1.2.*",
        "Rows=512",
        "OtherPatientIDsSequence=X",
    ],
)
def test_what_the_standard_does_not_match_so_is_a_wrong_call(run, asked):
    """A query that cannot be asked is one sentence, for machines a document, and exit code 2."""
    done = run("find", asked, "--json")

    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert error["message"].startswith(asked.split("=")[0])
    assert done.stderr.strip() == f"Error: {error['message']}"


def test_a_port_that_is_none_is_a_wrong_call(run):
    """Ports end at 65535."""
    for command in ("serve", "view", "demo"):
        assert run(command, "--http-port", "65536").exit_code == 2


def test_a_table_shows_whole_uids_and_no_control_signs(run, tmp_path: Path):
    """The next command takes a UID from the table; what a sender wrote moves no cursor."""
    (made,) = phantoms.thorax_ct(slices=1, rows=32, SeriesDescription="AAAA[2J")
    made.SeriesInstanceUID = "1." + "2" * 62
    (path,) = phantoms.write([made], tmp_path / "scan")
    path.write_bytes(path.read_bytes().replace(b"AAAA[2J", b"AAA\x1b[2J"))

    done = run("find", path, "--level", "series")

    assert done.exit_code == 0
    assert made.SeriesInstanceUID in done.stdout
    assert "\x1b" not in done.stdout
    assert "AAA\ufffd[2J" in done.stdout


def test_serve_answers_machines_with_its_address(scans: Path, tmp_path: Path):
    """Standard output is one document, and Ctrl-C is a good end."""
    program = (
        "import json, os, signal, sys, threading\n"
        # A shell starts what runs in the background with Ctrl-C ignored, and we inherit that.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from dicomlab.cli import main\n"
        "from dicomlab.server import Server\n"
        "wait = Server.wait\n"
        "def interrupt(server):\n"
        "    threading.Timer(0, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "    wait(server)\n"
        "Server.wait = interrupt\n"
        "main(['serve', '--http-port', '0', '--json'])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DICOMLAB_HOME": str(tmp_path)},
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["address"].startswith("http://127.0.0.1:")


def test_dates_for_machines_are_days(run, tmp_path: Path):
    """A date of DICOM has no time of day, and neither has it as JSON; none is null."""
    (tmp_path / "a").write_bytes(part10(1, StudyDate="20240229"))
    (tmp_path / "b").write_bytes(part10(2, StudyDate=None))
    run("import", tmp_path / "a", tmp_path / "b")

    rows = json.loads(run("find", "--json").stdout)

    assert [row["StudyDate"] for row in rows] == ["2024-02-29", None]


@pytest.mark.parametrize(
    "words", [("find", ""), ("find", "--archive", ""), ("find", "--index", ""), ("view", "")]
)
def test_an_empty_word_is_a_wrong_call(run, words):
    """An empty variable in a script names no source, no archive and no index."""
    done = run(*words)

    assert done.exit_code == 2
    assert "empty" in done.stderr


def test_an_empty_path_imports_nothing(run, tmp_path: Path, monkeypatch):
    """It is not the current folder."""
    (tmp_path / "a").write_bytes(part10())
    monkeypatch.chdir(tmp_path)

    done = run("import", "", "--json")

    assert done.exit_code == 3
    assert json.loads(done.stdout)["counts"] == {
        "new": 0, "already_there": 0, "other_content": 0, "not_dicom": 0, "refused": 1
    }  # fmt: skip


def test_the_configuration_says_where_the_archive_is(run, tmp_path: Path):
    """Its folder, relative to the home, and its quota; ``--archive`` names another."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text(
        '[archive]\nlocation = "elsewhere"\nquota_bytes = 1\n'
    )
    (tmp_path / "a").write_bytes(part10())

    configured = json.loads(run("import", tmp_path / "a", "--json").stdout)
    other = run("import", tmp_path / "a", "--archive", tmp_path / "other", "--json")

    assert [row["reason"] for row in configured["rows"]] == ["quota"]
    assert json.loads(other.stdout)["counts"]["new"] == 1
    assert (tmp_path / "home" / "elsewhere" / "index.sqlite3").exists()
    assert not (tmp_path / "home" / "archive").exists()


def test_a_configuration_that_cannot_be_used_is_one_sentence(run, tmp_path: Path):
    """The command names the key and what is expected, and ends with 1."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text("[archive]\nquota_bytes = 0\n")

    done = run("find", "--json")

    assert done.exit_code == 1
    assert "archive.quota_bytes (line 2)" in json.loads(done.stdout)["error"]["message"]


def test_an_index_of_another_kind_is_refused(run):
    """``--index`` takes the URL of a PostgreSQL database, and says so."""
    done = run("find", "--index", "mysql://host/name")
    wrong = run("find", "--index", "no url")

    assert (done.exit_code, wrong.exit_code) == (1, 2)
    assert "postgresql+psycopg://" in done.stderr
    assert "postgresql+psycopg://" in wrong.stderr


def test_delete_lists_asks_and_deletes(run, tmp_path: Path, monkeypatch):
    """Where nobody can be asked, nothing goes without --yes; a dry run says the same."""
    (tmp_path / "a").write_bytes(part10(1))
    (tmp_path / "b").write_bytes(part10(2))
    run("import", tmp_path / "a", tmp_path / "b")

    dry = run("archive", "delete", uid(1), "--dry-run", "--json")
    unasked = run("archive", "delete", uid(1))
    unknown = run("archive", "delete", uid(1), uid(7), "--yes", "--json")
    assert len(json.loads(run("find", "--json").stdout)) == 2
    done = run("archive", "delete", uid(1), "--yes", "--json")

    size = (tmp_path / "a").stat().st_size
    assert (dry.exit_code, unasked.exit_code, unknown.exit_code, done.exit_code) == (0, 2, 1, 0)
    assert f"1 instances, 1 files, {size:,} bytes" in unasked.stderr
    assert json.loads(unknown.stdout)["error"]["type"] == "NotFoundError"
    told = json.loads(dry.stdout)
    assert told["dry_run"]
    assert (told["files"], told["bytes"]) == (1, size)
    assert json.loads(done.stdout)["rows"] == told["rows"]
    assert [row["StudyInstanceUID"] for row in json.loads(run("find", "--json").stdout)] == [uid(2)]


def test_retention_says_first_and_deletes_when_applied(run, tmp_path: Path):
    """Studies of 2024 are more than a day old; those of no rule stay."""
    (tmp_path / "a").write_bytes(part10(1))
    (tmp_path / "b").write_bytes(part10(2))
    run("import", tmp_path / "a", tmp_path / "b")
    none = run("archive", "retention")
    (tmp_path / "home" / "config.toml").write_text(
        '[retention.old]\nmatch = ["PatientID=P1"]\nstudy_days = 1\n'
    )

    shown = run("archive", "retention")
    assert len(json.loads(run("find", "--json").stdout)) == 2
    applied = run("archive", "retention", "--apply", "--json")

    assert (none.exit_code, shown.exit_code, applied.exit_code) == (0, 0, 0)
    assert "no rule" in none.stdout
    assert "old (1)" in shown.stdout
    assert uid(1) in shown.stdout
    told = json.loads(applied.stdout)
    assert [row["study_instance_uid"] for row in told["expired"]] == [uid(1)]
    assert told["deletion"]["files"] == 1
    assert [row["StudyInstanceUID"] for row in json.loads(run("find", "--json").stdout)] == [uid(2)]


def test_the_journal_shows_what_was_done_and_verifies(run, tmp_path: Path):
    """Imports and deletions are there, newest first; a changed entry is found, and ends with 1."""
    (tmp_path / "a").write_bytes(part10(1))
    none = run("journal", "list")
    run("import", tmp_path / "a")
    run("archive", "delete", uid(1), "--yes")

    listed = run("journal", "list", "--json")
    deleted = run("journal", "list", "--kind", "study-deleted", "--limit", "1")
    later = run("journal", "list", "--since", "2999-01-01", "--json")
    wrong = run("journal", "list", "--kind", "no-such")
    whole = run("journal", "verify", "--json")
    with closing(sqlite3.connect(tmp_path / "home" / "journal.sqlite")) as journal, journal:
        journal.execute("UPDATE journal_event SET code = 'import-ended' WHERE sequence = 3")
    broken = run("journal", "verify", "--json")

    assert "Nothing is recorded" in none.stderr
    assert [row["code"] for row in json.loads(listed.stdout)] == [
        "deletion-ended", "deletion-begun", "import-ended", "import-begun"
    ]  # fmt: skip
    assert f"deletion-ended  {uid(1)}  " in deleted.stdout
    assert "1 files, 1 instances, 1 series" in deleted.stdout
    assert json.loads(later.stdout) == []
    assert (wrong.exit_code, whole.exit_code, broken.exit_code) == (2, 0, 1)
    assert json.loads(whole.stdout) == {
        "whole": True, "entries": 4, "fault": None, "broken": None
    }  # fmt: skip
    assert json.loads(broken.stdout) == {
        "whole": False, "entries": 2, "fault": "content", "broken": 3
    }  # fmt: skip


def test_the_configured_journal_is_used(run, tmp_path: Path):
    """Where the file says, and what is older than it says is forgotten."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text('[journal]\nurl = "log/events.sqlite"\n')
    (tmp_path / "a").write_bytes(part10(1))

    run("import", tmp_path / "a")

    assert (tmp_path / "home" / "log" / "events.sqlite").exists()
    assert not (tmp_path / "home" / "journal.sqlite").exists()
    assert len(json.loads(run("journal", "list", "--json").stdout)) == 2


def test_an_unknown_level_is_a_wrong_call(run):
    """A level that is none is named, with those that are."""
    done = run("find", "--level", "slide")

    assert done.exit_code == 2
    assert "patient" in done.stderr


def test_help_loads_nothing_heavy():
    """`dicomlab --help` is quick, since it loads neither NumPy nor pydicom."""
    program = (
        "import sys; from dicomlab.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print([m for m in ('numpy', 'pandas', 'pydicom') if m in sys.modules])"
    )

    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert said.stdout.strip().endswith("[]")


def test_convert_takes_the_remedy_that_the_refusal_names(run, tmp_path: Path):
    """A gap is refused with its reason; with --gaps split each side is a part."""
    phantoms.write(phantoms.with_gap(phantoms.thorax_ct(slices=9, rows=16)), tmp_path / "gap")

    refused = run("convert", tmp_path / "gap", "--to", tmp_path / "v.ome.zarr")
    several = run("convert", tmp_path / "gap", "--to", tmp_path / "v.ome.zarr", "--gaps", "split")
    part = run("convert", tmp_path / "gap", "--to", tmp_path / "v.ome.zarr", "--gaps", "split",
               "--part", "1", "--check")  # fmt: skip

    assert refused.exit_code == 1
    assert "gap" in refused.stderr
    assert several.exit_code == 1
    assert "--part" in several.stderr
    assert part.exit_code == 0, part.stderr


def test_export_writes_files_in_another_syntax(run, scans: Path, tmp_path: Path):
    """Three words: what, where to, and how; the answer lists the files."""
    done = run(
        "export", scans, "Modality=CT", "--level", "series", "--to", tmp_path / "out",
        "--transfer-syntax", "1.2.840.10008.1.2.4.80", "--json",
    )  # fmt: skip

    report = json.loads(done.stdout)
    assert done.exit_code == 0
    assert report["counts"] == {"written": 6, "already_there": 0, "refused": 0}
    written = [tmp_path / "out" / row["path"] for row in report["rows"]]
    syntaxes = {str(dcmread(path).file_meta.TransferSyntaxUID) for path in written}
    assert syntaxes == {"1.2.840.10008.1.2.4.80"}


@pytest.mark.req("S-244")
def test_export_writes_what_the_configuration_prefers(run, scans: Path, tmp_path: Path):
    """The first syntax of `images.storing` that can be written, unless another is asked for."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text(
        "[images.storing]\ntransfer_syntaxes = ['1.2.840.10008.1.2.4.100', '1.2.840.10008.1.2.5']\n"
    )

    run("export", scans, "--to", tmp_path / "preferred")
    run("export", scans, "--to", tmp_path / "asked", "--transfer-syntax", "1.2.840.10008.1.2.1")

    for name, syntax in (("preferred", "1.2.840.10008.1.2.5"), ("asked", "1.2.840.10008.1.2.1")):
        written = list((tmp_path / name).rglob("*.dcm"))
        assert len(written) == 6
        assert {str(dcmread(path).file_meta.TransferSyntaxUID) for path in written} == {syntax}


def test_export_tells_what_it_refuses_and_what_is_wrong(run, scans: Path, tmp_path: Path):
    """3 where instances were refused; 2 for a syntax that is none, or loss without one."""
    partly = run(
        "export", scans, "--to", tmp_path / "out", "--transfer-syntax", "1.2.840.10008.1.2.4.50"
    )
    unknown = run("export", scans, "--to", tmp_path / "out", "--transfer-syntax", "1.2.3")
    lossy = run("export", scans, "--to", tmp_path / "out", "--quality", "80")

    assert partly.exit_code == 3
    assert "6 refused" in partly.stdout
    assert unknown.exit_code == lossy.exit_code == 2
