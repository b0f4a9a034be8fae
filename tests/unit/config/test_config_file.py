"""One file holds every setting; what it says wrongly is said back, all at once."""

import json
import logging
import os
import stat
from dataclasses import asdict
from pathlib import Path

import pytest

from dicomlab import config
from dicomlab.errors import NotFoundError, RefusedError, StorageError
from dicomlab.safety import DEFAULT_BOUNDS, DEFAULT_LIMITS


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a fresh home."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home" / "config.toml"


PACS = config.Peer(aet="ORTHANC", host="127.0.0.1", port=4242)


@pytest.mark.req("S-242")
def test_without_the_file_everything_has_its_default(path: Path) -> None:
    """Deleting the file brings the defaults back, whatever it held."""
    config.write(config.Settings(peers={"pacs": PACS}, server=config.Server(port=8099)))
    assert config.load().server.port == 8099

    path.unlink()

    assert config.load() == config.Settings()


@pytest.mark.req("S-242")
def test_every_parameter_is_in_the_one_file_and_its_schema(path: Path) -> None:
    """A new file names each key that the JSON schema knows, and still means the defaults."""
    config.write(config.Settings())
    text = path.read_text()
    definitions = json.loads(json.dumps(config.schema()))

    keys = set(definitions["properties"])
    for definition in definitions["$defs"].values():
        keys |= set(definition.get("properties", ()))
    assert {"aet", "port", "transfer_syntaxes", "courtesy", "interpolation"} < keys
    assert [key for key in sorted(keys) if key not in text] == []
    assert config.load() == config.Settings()


@pytest.mark.req("S-242")
def test_unknown_keys_are_reported_and_not_fatal(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each with its path, its line and the key that is likely meant; the rest still holds."""
    path.write_text(
        "colour = 1\n"
        "[server]\n"
        "port = 8090 # known\n"
        "prot = 8091\n"
        "[peers.pacs]\n"
        'aet = "A"\n'
        'host = """\\\n'
        '  pacs"""\n'
        'tls = { ca = "ca.pem", cipher = "x" }\n'
        "[images.viewing.windows.liver]\n"
        "center = 60\n"
        "width = 150.5\n"
        "slope = 1\n"
    )

    with caplog.at_level(logging.WARNING):
        settings = config.load(environ={"DICOMLAB_SERVR__PORT": "1"})
    unknown = config.check(environ={"DICOMLAB_SERVR__PORT": "1"}).unknown

    assert settings.server.port == 8090
    assert settings.peers["pacs"].host == "pacs"
    assert settings.images.viewing.windows["liver"] == config.Window(center=60, width=150.5)
    assert {(u.key, u.nearest, u.line, u.variable) for u in unknown} == {
        ("colour", None, 1, None),
        ("server.prot", "server.port", 4, None),
        ("peers.pacs.tls.cipher", None, 9, None),
        ("images.viewing.windows.liver.slope", None, 13, None),
        ("servr", "server", None, "DICOMLAB_SERVR__PORT"),
    }
    assert len(caplog.messages) == 5
    assert any("server.prot (line 4)" in m and "server.port" in m for m in caplog.messages)


WRONG = [
    ("[server]\nport = 70000", "server.port", "70000", "at most 65535", 2),
    ("[server]\nport = 0", "server.port", "0", "at least 1", 2),
    ("[server]\nport = 80.0", "server.port", "80", "a whole number", 2),
    ("[server]\nport = true", "server.port", "true", "a whole number", 2),
    ('[server]\nport = "80"', "server.port", "a text of 2", "a whole number", 2),
    ("[server]\nport = 2026-01-01", "server.port", "a date or time", "a whole number", 2),
    ("[server]\nallowed_hosts = 'a'", "server.allowed_hosts", "a text", "a list", 2),
    ("[server]\nallowed_hosts = ['a', 3]", "server.allowed_hosts.[2]", "3", "a text", 2),
    ("server = 3", "server", "3", "a table", 1),
    ("[peers]\na = 3", "peers.a", "3", "a table", 2),
    ("[peers.a]\nhost = 'h'", "peers.a.aet", "nothing", "a value", 1),
    ("[peers.a]\naet = 'A'\nhost = 'h/x'", "peers.a.host", "a text of 3", "a host name", 3),
    ("[peers.'A B']\naet = 'A'\nhost = 'h'", "peers.A B", "a table", "lower-case", 1),
    ("[images.viewing]\nlayout = 'x'", "images.viewing.layout", "a text", "'planes'", 2),
    ("[images.general]\nframes_per_s = nan", "images.general.frames_per_s", "nan", "a finite", 2),
    ("[images.general]\nframes_per_s = 0", "images.general.frames_per_s", "0", "more than 0", 2),
    ("[images.viewing]\npreset = 'x'", "images.viewing.preset", "a text", "brain", 2),
    ("[images.viewing]\ninitial_window = 'preset'", "images.viewing.preset", "nothing", "name", 1),
    ("[aes.other]\naet = 'X'", "aes.main", "nothing", "a table", None),
    ("[aes.main]\naddresses = []", "aes.main.addresses", "a list", "at least 1", 2),
    ("[locations.a.courtesy]\nhours = ['25:00-01:00']", "locations.a.courtesy.hours.[1]",
     "a text", "18:00-06:00", 2),
    ("[dicomweb.a]\nurl = 'ftp://h'", "dicomweb.a.url", "a text", "https://", 2),
    ("[dicomweb.a]\nurl = 'https://h/?a=b'", "dicomweb.a.url", "a text", "without ?", 2),
    ("[dicomweb.a]\nurl = 'https://h'\ntoken = {}", "dicomweb.a.token", "a table", "either", 3),
]  # fmt: skip


@pytest.mark.req("S-242")
@pytest.mark.parametrize(("text", "key", "found", "expected", "line"), WRONG)
def test_a_wrong_value_is_named(
    path: Path, text: str, key: str, found: str, expected: str, line: int | None
) -> None:
    """Key, line, what is there and what should be."""
    path.write_text(text)

    checked = config.check(environ={})

    assert checked.settings is None
    (problem,) = checked.problems
    assert (problem.key, problem.line) == (key, line)
    assert problem.found.startswith(found)
    assert expected in problem.expected
    with pytest.raises(RefusedError, match="cannot be used") as refused:
        config.load(environ={})
    assert refused.value.rule == "configuration"
    assert str(problem) in str(refused.value)


def test_all_problems_are_named_at_once(path: Path) -> None:
    """One reading tells everything: from the file, from the environment, between tables."""
    path.write_text(
        "[server]\nport = 0\n"
        "[peers.a]\naet = 'A'\nhost = 'h'\nlocation = 'nowhere'\nlocal = 'nobody'\n"
        "[dicomweb.a]\nurl = 'https://h'\n"
    )

    with pytest.raises(RefusedError) as refused:
        config.load(environ={"DICOMLAB_SAFETY__DEPTH": "deep"})

    message = str(refused.value)
    assert message.count("\n- ") == 5
    for part in (
        "server.port (line 2): found 0, expected at least 1.",
        "safety.depth (DICOMLAB_SAFETY__DEPTH): found a text of 4 characters",
        "peers.a.location (line 6)",
        "peers.a.local (line 7): found a text of 6 characters, expected the name of a table in aes",
        "dicomweb.a (line 8): found a table, expected a name that no table in peers has.",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("content", "where"),
    [(b"[server\n", "line 1"), (b"a = 1\na = 2\n", "line 2"), (b"x = 1\ny = '\xff'\n", "line 2")],
)
def test_what_is_no_toml_is_refused_with_its_line(path: Path, content: bytes, where: str) -> None:
    """Syntax errors and wrong bytes are problems of the file like others."""
    path.write_bytes(content)

    with pytest.raises(RefusedError, match=where):
        config.load(environ={})


def test_a_file_that_cannot_be_read_is_a_storage_error(path: Path) -> None:
    """A folder in its place, for one."""
    path.mkdir()

    with pytest.raises(StorageError, match=r"config\.toml cannot be read"):
        config.load()


def test_a_file_too_large_for_a_configuration_is_refused(path: Path) -> None:
    """It is not read into memory to find out."""
    with path.open("wb") as stream:
        stream.truncate(1 << 30)

    with pytest.raises(RefusedError, match="no configuration"):
        config.load()


def test_the_environment_comes_before_the_file(path: Path) -> None:
    """Values are written as in TOML; what is not is a text. Other variables are no settings."""
    path.write_text("[peers.pacs]\naet = 'OLD'\nhost = 'old'\n")

    settings = config.load(
        environ={
            "DICOMLAB_PEERS": "required",
            "DICOMLAB_HOME": "/nowhere",
            "DICOMLAB_PEERS__PACS__AET": "NEW",
            "DICOMLAB_PEERS__PACS__PORT": "4242",
            "DICOMLAB_PEERS__PACS__TLS": '{ ca = "ca.pem" }',
            "DICOMLAB_SERVER__ALLOWED_HOSTS": '["pacs.example.org"]',
        }
    )

    tls = config.Tls(ca="ca.pem")
    assert settings.peers == {"pacs": config.Peer(aet="NEW", host="old", port=4242, tls=tls)}
    assert settings.server.allowed_hosts == ("pacs.example.org",)


@pytest.mark.parametrize("aet", ["A", "  STORE SCP ", "ABCDEFGHIJKLMNOP", "a~{}[^]"])
def test_ae_titles_of_the_standard_are_taken(path: Path, aet: str) -> None:
    """PS3.5 6.2: 16 characters of the default repertoire; outer spaces say nothing."""
    path.write_text(f"[peers.a]\naet = '{aet}'\nhost = 'h'\n")

    assert config.load(environ={}).peers["a"].aet == aet.strip(" ")


@pytest.mark.parametrize("aet", ["ABCDEFGHIJKLMNOPQ", "", "     ", "A\\B", "A\tB", "A\x7f", "ÄE"])
def test_other_ae_titles_are_refused(path: Path, aet: str) -> None:
    """No backslash, no control character, not too long, not spaces alone."""
    path.write_text(f"[peers.a]\naet = {json.dumps(aet)}\nhost = 'h'\n")

    assert [problem.key for problem in config.check(environ={}).problems] == ["peers.a.aet"]


def test_transfer_syntaxes_stand_in_their_order(path: Path) -> None:
    """Registered ones and private ones."""
    path.write_text("[locations.here]\ntransfer_syntaxes = ['1.2.3.4', '1.2.840.10008.1.2.1']\n")

    here = config.load(environ={}).locations["here"]

    assert here.transfer_syntaxes == ("1.2.3.4", "1.2.840.10008.1.2.1")


@pytest.mark.parametrize("uid", ["1.2.840.10008.5.1.4.1.1.2", "1.02.3", "JPEG-LS", "1." + "2" * 63])
def test_what_is_no_transfer_syntax_is_refused(path: Path, uid: str) -> None:
    """A SOP class, and what is no UID (PS3.5 9.1)."""
    path.write_text(f"[locations.here]\ntransfer_syntaxes = ['{uid}']\n")

    (problem,) = config.check(environ={}).problems

    assert problem.key == "locations.here.transfer_syntaxes.[1]"


def test_a_transfer_syntax_stands_once_in_its_order(path: Path) -> None:
    """An order that names one twice says nothing about it."""
    path.write_text("[locations.here]\ntransfer_syntaxes = ['1.2.3', '1.2.3']\n")

    (problem,) = config.check(environ={}).problems

    assert "each value once" in problem.expected


def test_peers_have_the_order_and_the_budget_of_their_location(path: Path) -> None:
    """One site, two AEs and a DICOMweb root; a peer without location has the usual ones."""
    path.write_text(
        "[locations.hospital]\n"
        "transfer_syntaxes = ['1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.1']\n"
        "courtesy = { associations = 1, hours = ['18:00-06:00'] }\n"
        "[aes.main]\n[aes.research]\naet = 'RESEARCH'\nport = 11113\n"
        "[peers.ct]\naet = 'CT'\nhost = '10.0.0.1'\nlocation = 'hospital'\nlocal = 'research'\n"
        "[peers.mr]\naet = 'MR'\nhost = 'fe80::1'\nlocation = 'hospital'\n"
        "[peers.own]\naet = 'OWN'\nhost = 'localhost'\n"
    )

    settings = config.load(environ={})

    assert set(settings.peers_at("hospital")) == {"ct", "mr"}
    hospital = settings.location_of(settings.peers["ct"])
    assert hospital.transfer_syntaxes == ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.1")
    assert hospital.courtesy == config.Courtesy(associations=1, hours=("18:00-06:00",))
    assert settings.location_of(settings.peers["own"]) == config.RemoteLocation()
    assert settings.local_of(settings.peers["ct"]).aet == "RESEARCH"
    assert settings.local_of(settings.peers["mr"]).aet == "DICOMLAB"


def test_bounds_have_the_names_and_values_of_the_border() -> None:
    """What is configured can be handed to `safety` as it is."""
    for name, value in config.Safety().model_dump().items():
        assert getattr(DEFAULT_BOUNDS, name) == value


def test_limits_of_workers_have_the_names_and_values_of_the_border() -> None:
    """Those of a worker too."""
    said = config.Workers().model_dump(exclude={"count"})

    assert said == asdict(DEFAULT_LIMITS)


class TestSecrets:
    """No secret is in the file, nor in what is said of it."""

    @pytest.mark.parametrize(
        "text",
        [
            "[dicomweb.a]\nurl = 'https://user:hunter2@h/'\n",
            "[archive]\nindex = 'postgresql://user:hunter2@h/db'\n",
            "[archive]\nindex = 'postgresql://h/db'\nindex_password = 'hunter2'\n",
            "[journal]\nurl = 'postgresql://:hunter2@h/db'\n",
            "[dicomweb.a]\nurl = 'https://h'\ntoken = { env = 'A', file = 'hunter2' }\n",
            "[dicomweb.a]\nurl = 'https://h'\ntoken = \"hunter2\n",
        ],
    )
    def test_in_the_file_they_are_refused_and_not_repeated(self, path: Path, text: str) -> None:
        """The message names the key, not what stands there."""
        path.write_text(text)

        with pytest.raises(RefusedError) as refused:
            config.load(environ={})

        assert "hunter2" not in str(refused.value)

    def test_come_from_the_environment(self) -> None:
        """An unset or empty variable is said by name."""
        secret = config.Secret(env="PACS_PASSWORD")

        assert secret.read({"PACS_PASSWORD": "hunter2"}) == "hunter2"
        for environ in ({}, {"PACS_PASSWORD": ""}):
            with pytest.raises(NotFoundError, match="PACS_PASSWORD"):
                secret.read(environ)

    def test_come_from_a_file_of_its_owner_alone(self, tmp_path: Path) -> None:
        """Mode 600 is read; anything for group or others is refused, and so is no file."""
        key = tmp_path / "key"
        secret = config.Secret(file=str(key))
        with pytest.raises(NotFoundError, match="key file key"):
            secret.read()

        key.write_text("hunter2\n")
        for mode in (0o644, 0o640, 0o602):
            key.chmod(mode)
            with pytest.raises(RefusedError, match="chmod 600") as refused:
                secret.read()
            assert refused.value.found == mode
        key.chmod(0o600)

        assert secret.read() == "hunter2"


class TestWriting:
    """What a person wrote stays."""

    TEXT = (
        "# my notes\r\n"
        "[server]   # the server\r\n"
        "port = 8090 # not 8080\r\n"
        "prot = 1\r\n"
        "\r\n"
        "[peers.old]\r\n"
        'aet = "OLD"\r\n'
        'host = "h"\r\n'
        "[peers.pacs]\r\n"
        'host = "h" # in the cellar\r\n'
        'aet = "ORTHANC"\r\n'
    )

    def test_keeps_comments_order_line_ends_and_unknown_keys(self, path: Path) -> None:
        """Only what changes changes."""
        path.write_bytes(self.TEXT.encode())
        settings = config.load(environ={})
        peer = settings.peers["pacs"].model_copy(update={"port": 4242})
        changed = settings.model_copy(update={"peers": {"pacs": peer}})

        config.write(changed)

        text = path.read_bytes().decode()
        assert config.load(environ={}) == changed
        before, _ = self.TEXT.split("[peers.old]\r\n")
        assert text.startswith(before)
        assert "in the cellar" in text
        assert "OLD" not in text
        assert "port = 4242" in text
        assert [u.key for u in config.check(environ={}).unknown] == ["server.prot"]

    def test_the_same_settings_change_no_byte(self, path: Path) -> None:
        """Loading and writing is no change."""
        path.write_bytes(self.TEXT.encode())

        config.write(config.load(environ={}))

        assert path.read_bytes() == self.TEXT.encode()

    def test_a_broken_file_is_not_written_over(self, path: Path) -> None:
        """Somebody's work of an hour is not lost to one wrong character."""
        path.write_text("[server\nport = 1")

        with pytest.raises(RefusedError):
            config.write(config.Settings())

        assert path.read_text() == "[server\nport = 1"

    def test_is_for_the_owner_alone_and_leaves_nothing_beside(self, path: Path) -> None:
        """A new file has mode 600, an old one keeps its own."""
        config.write(config.Settings())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

        path.chmod(0o640)
        config.write(config.Settings(server=config.Server(port=1)))

        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert list(path.parent.iterdir()) == [path]

    def test_a_failure_leaves_the_file_as_it_was(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A full disk, for one, which refuses the last step."""
        config.write(config.Settings())
        before = path.read_bytes()

        def full(handle: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            config.write(config.Settings(server=config.Server(port=1)))

        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_a_link_stays_a_link(self, path: Path, tmp_path: Path) -> None:
        """Those who keep their settings elsewhere keep them there."""
        real = tmp_path / "real.toml"
        real.write_text("")
        path.symlink_to(real)

        config.write(config.Settings(server=config.Server(port=1)))

        assert path.is_symlink()
        assert "port = 1" in real.read_text()


class TestWatching:
    """A change in the file is seen when the settings are next asked for."""

    def test_image_preferences_change_without_a_restart(self, path: Path) -> None:
        """Written, by us or in an editor in place, and deleted."""
        watched = config.Watched(environ={})
        first = watched.current()
        assert first.images.viewing.interpolation is config.Interpolation.LINEAR
        assert watched.current() is first

        path.write_text("[images.viewing]\ninterpolation = 'nearest'\n")
        assert watched.current().images.viewing.interpolation is config.Interpolation.NEAREST

        viewing = config.Viewing(layout=config.Layout.PLANES)
        config.write(config.Settings(images=config.Images(viewing=viewing)))
        assert watched.current().images.viewing.layout is config.Layout.PLANES

        path.unlink()
        assert watched.current() == config.Settings()

    def test_a_wrong_change_keeps_the_settings_from_before(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A typing error does not stop a server; it is said once, and mended it is gone."""
        path.write_text("[server]\nport = 8090\n")
        watched = config.Watched(environ={})

        path.write_text("[server]\nport = 'x'\n")
        assert watched.current().server.port == 8090
        assert watched.current().server.port == 8090
        assert watched.problem is not None
        assert len(caplog.messages) == 1

        path.write_text("[server]\nport = 8091\n")
        assert watched.current().server.port == 8091
        assert watched.problem is None

    def test_to_begin_with_the_file_must_be_right(self, path: Path) -> None:
        """There is nothing from before to keep."""
        path.write_text("[server]\nport = 'x'\n")

        with pytest.raises(RefusedError):
            config.Watched()

    def test_the_schema_says_for_each_section_when_a_change_applies(self) -> None:
        """Image preferences, peers and locations at once; what listens, at a restart."""
        properties = json.loads(json.dumps(config.schema()))["properties"]

        applies = {name: said["applies"] for name, said in properties.items()}

        assert applies == {
            "aes": "at restart",
            "archive": "at restart",
            "dicomweb": "at once",
            "images": "at once",
            "journal": "at restart",
            "locations": "at once",
            "peers": "at once",
            "retention": "at once",
            "safety": "at restart",
            "server": "at restart",
            "workers": "at restart",
        }


def test_settings_are_frozen() -> None:
    """Whoever holds settings holds them as they were read."""
    with pytest.raises(ValueError, match="frozen"):
        config.Settings().server.port = 1  # type: ignore[misc]


def test_the_public_names_are_there() -> None:
    """Each name in `__all__` leads somewhere."""
    for name in config.__all__:
        assert getattr(config, name) is not None
    with pytest.raises(AttributeError):
        _ = config.nothing
