"""Studies expire by rule, are shown first, and go only when that is asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, update

from dicomlab import config
from dicomlab.archive import Archive, Outcome, Rule, _archive
from dicomlab.archive._schema import content
from dicomlab.catalog import Query
from dicomlab.errors import NotFoundError, RefusedError
from tests.postgres import Postgres
from tests.small import part10, uid

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ARRIVED = {1: "2026-02-01T12:00:00", 2: "2026-02-01T12:00:01", 3: "2025-01-01T00:00:00"}
DATES = {1: "20200301", 2: "20260228", 3: None}


@pytest.fixture
def archive(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Archive]:
    """Give three studies that came, and were made, at different times."""
    index: URL | None = None
    if getattr(request, "param", "sqlite") == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        index = server.database()
    folder = tmp_path / "in"
    folder.mkdir()
    for study, date in DATES.items():
        for number in (1, 2):
            (folder / f"{study}{number}").write_bytes(part10(study, 1, number, StudyDate=date))
    with Archive.open(tmp_path / "archive", index=index) as opened:
        opened.import_([folder])
        with opened._database.writing() as connection:
            for study, arrived in ARRIVED.items():
                own = content.c.sop_instance_uid.in_([uid(study, 1, 1), uid(study, 1, 2)])
                values = update(content).where(own).values(received=f"{arrived}+00:00")
                connection.execute(values)
        yield opened


def held(archive: Archive) -> list[object]:
    """Return the studies that are there."""
    return [row["StudyInstanceUID"] for row in archive.records(Query("study"))]


def expired(archive: Archive, *rules: Rule) -> list[str]:
    """Return which studies have expired."""
    return [row.study_instance_uid for row in archive.expired(rules, now=NOW).rows]


def test_age_since_arrival_is_counted_to_the_second(archive: Archive) -> None:
    """Twenty-eight days before the first of March is the first of February, at the same time."""
    assert expired(archive, Rule.of("x", {}, arrived_days=28)) == [uid(1), uid(3)]
    assert expired(archive, Rule.of("x", {}, arrived_days=29)) == [uid(3)]


def test_the_last_arrival_counts(archive: Archive, tmp_path: Path) -> None:
    """A study that still grows has not expired."""
    (tmp_path / "more").write_bytes(part10(3, 1, 3))
    archive.import_([tmp_path / "more"])

    assert expired(archive, Rule.of("x", {}, arrived_days=28)) == [uid(1)]


def test_a_study_without_a_date_is_never_too_old_by_it(archive: Archive) -> None:
    """What is not known does not delete anything."""
    assert expired(archive, Rule.of("x", {}, study_days=1)) == [uid(1), uid(2)]
    assert expired(archive, Rule.of("x", {}, study_days=2)) == [uid(1)]


def test_both_ages_must_be_reached(archive: Archive) -> None:
    """Study 1 alone came and was made long enough ago."""
    assert expired(archive, Rule.of("x", {}, arrived_days=28, study_days=1)) == [uid(1)]


def test_a_rule_is_about_what_matches(archive: Archive) -> None:
    """The attributes are asked as everywhere else; the first rule that fits is named."""
    rules = (
        Rule.of("one", {"PatientID": "P3"}, arrived_days=1),
        Rule.of("all", {}, arrived_days=28),
    )

    report = archive.expired(rules, now=NOW)

    assert {row.study_instance_uid: row.rule for row in report.rows} == {
        uid(1): "all", uid(3): "one"
    }  # fmt: skip
    row = next(row for row in report.rows if row.study_instance_uid == uid(1))
    assert (row.instances, row.bytes) == (2, archive.study_sizes()[uid(1)])
    assert row.study_date == dt.date(2020, 3, 1)
    assert "one (1)" in str(report)


def test_a_rule_that_keeps_comes_before_all_others(archive: Archive) -> None:
    """Wherever it stands; what it kept is said."""
    rules = [
        Rule.of("all", {}, arrived_days=1),
        Rule.of("teaching", {"PatientID": "P9"}, keep=True),
        Rule.of("trial", {"PatientName": "*number3"}, keep=True),
    ]

    report = archive.expire(rules, now=NOW)

    assert [row.study_instance_uid for row in report.rows] == [uid(1), uid(2)]
    assert [(row.study_instance_uid, row.kept_by) for row in report.kept] == [(uid(3), "trial")]
    assert held(archive) == [uid(3)]


@pytest.mark.parametrize("archive", ["sqlite", "postgresql"], indirect=True)
def test_looking_deletes_nothing_and_applying_says_what_it_did(archive: Archive) -> None:
    """The dry run shows the very studies that then go."""
    rules = [Rule.of("x", {}, arrived_days=28)]
    dry = archive.expired(rules, now=NOW)
    assert len(held(archive)) == 3

    done = archive.expire(rules, now=NOW)

    assert done.rows == dry.rows
    assert dry.deletion is None
    assert done.deletion is not None
    assert [row.uid for row in done.deletion.rows] == [uid(1), uid(3)]
    assert held(archive) == [uid(2)]
    assert archive.check().rows == []


def test_a_study_that_grows_meanwhile_stays(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came between the look and the deletion is not deleted with it."""
    (tmp_path / "more").write_bytes(part10(3, 1, 3))
    look = _archive.find_expired

    def look_and_import(*arguments: object) -> object:
        found = look(*arguments)  # type: ignore[arg-type]
        archive.import_([tmp_path / "more"])
        return found

    monkeypatch.setattr(_archive, "find_expired", look_and_import)

    done = archive.expire([Rule.of("x", {}, arrived_days=28)], now=NOW)

    assert done.deletion is not None
    assert [row.uid for row in done.deletion.rows] == [uid(1)]
    assert held(archive) == [uid(2), uid(3)]


def test_a_full_archive_deletes_nothing_by_itself(tmp_path: Path) -> None:
    """The quota refuses what comes, though all that is there has expired."""
    for number in (1, 2):
        (tmp_path / f"{number}").write_bytes(part10(number))
    size = (tmp_path / "1").stat().st_size
    with Archive.open(tmp_path / "archive", quota_bytes=size) as archive:
        archive.import_([tmp_path / "1"])
        later = dt.datetime.now(dt.UTC) + dt.timedelta(days=10)
        assert len(archive.expired([Rule.of("x", {}, arrived_days=1)], now=later).rows) == 1

        report = archive.import_([tmp_path / "2"])

        assert report.counts[Outcome.REFUSED] == 1
        assert held(archive) == [uid(1)]
        archive.expire([Rule.of("x", {}, arrived_days=1)], now=later)
        assert archive.import_([tmp_path / "2"]).counts[Outcome.NEW] == 1


@pytest.mark.parametrize(
    "said",
    [{}, {"keep": True, "arrived_days": 1}, {"arrived_days": 0}, {"study_days": -1}],
)
def test_a_rule_needs_an_age_or_keeps(said: dict[str, int]) -> None:
    """A rule without an age would delete everything at once."""
    with pytest.raises(ValueError, match="rule x needs"):
        Rule.of("x", {}, **said)  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        Rule.of("x", {"PatientNam": "A"}, arrived_days=1)


def test_rules_are_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, each with what it matches, as on the command line."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text(
        '[retention.trials]\nmatch = ["PatientID=P1", "StudyDate=-20241231"]\narrived_days = 3\n'
        "[retention.rest]\nstudy_days = 10\n"
        '[retention.teaching]\nmatch = ["PatientID=T*"]\nkeep = true\n'
    )
    with Archive.open() as archive:
        assert archive.expired().rules == ["trials", "rest", "teaching"]
    (tmp_path / "config.toml").unlink()
    with Archive.open() as archive:
        assert archive.expired().rules == []
        assert "no rule" in str(archive.expired())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('match = ["PatientID=P1"]', r"retention\.x \(line 1\).*keep = true"),
        ('match = ["PatientIDs=P1"]\nkeep = true', r"match.*Keyword|match.*keyword"),
        ('match = ["PatientID"]\nkeep = true', r"match.*keyword"),
        ('match = ["PatientID=1", "PatientID=2"]\nkeep = true', r"match.*each keyword once"),
        ("arrived_days = 0", r"arrived_days \(line 2\).*at least 1"),
        ('match = ["SeriesNumber=1"]\nkeep = true', r"retention\.x\.match"),
    ],
)
def test_a_wrong_rule_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, said: str
) -> None:
    """No study is judged by a rule that says something else than was meant."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text(f"[retention.x]\n{written}\n")

    with pytest.raises(RefusedError, match=said), Archive.open(tmp_path / "archive") as archive:
        archive.expired()


def test_the_file_keeps_rules_when_it_is_written(tmp_path: Path) -> None:
    """Reading back what was written gives the same rules."""
    path = tmp_path / "config.toml"
    rule = config.Retention(match=("PatientID=P1",), arrived_days=3)
    config.write(config.Settings(retention={"x": rule}), path)

    assert config.load(path, environ={}).retention == {"x": rule}
