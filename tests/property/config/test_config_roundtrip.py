"""Whatever can be configured reads back from the file as it was written."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dicomlab import config

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
AE_TITLES = (
    st.text(st.sampled_from([c for c in map(chr, range(32, 127)) if c != "\\"]), max_size=16)
    .map(str.strip)
    .filter(bool)
)
PORTS = st.integers(1, 65535)
HOSTS = st.sampled_from(["localhost", "10.0.0.1", "::1", "pacs.example.org", "a_b"])
UIDS = st.sampled_from(["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.80", "1.2.3.4"])
SYNTAXES = st.lists(UIDS, unique=True).map(tuple)
SECRETS = st.one_of(
    st.builds(config.Secret, env=st.just("PASSWORD")),
    st.builds(config.Secret, file=TEXTS.filter(lambda t: bool(t.strip()) and "://" not in t)),
)
FILES = st.none() | st.just("certificates/ca.pem")
TLS = st.none() | st.builds(
    config.Tls, ca=FILES, certificate=FILES, key=FILES, key_password=st.none() | SECRETS
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WINDOWS = st.builds(config.Window, center=NUMBERS, width=st.floats(1e-3, 1e6))


@st.composite
def configurations(draw: st.DrawFn) -> config.Settings:
    """Any settings whose names agree."""
    aes = draw(st.dictionaries(NAMES, st.builds(config.LocalAE, aet=AE_TITLES, port=PORTS, tls=TLS),
                               max_size=2))  # fmt: skip
    aes["main"] = draw(st.builds(config.LocalAE, port=PORTS))
    courtesy = st.builds(
        config.Courtesy,
        associations=st.integers(1, 9),
        bytes_per_s=st.none() | st.integers(1, 10**12),
        hours=st.sampled_from([(), ("18:00-06:00",), ("00:00-05:59", "20:00-23:59")]),
        back_off=st.booleans(),
    )
    locations = draw(
        st.dictionaries(
            NAMES,
            st.builds(
                config.RemoteLocation,
                description=TEXTS,
                transfer_syntaxes=SYNTAXES,
                courtesy=courtesy,
            ),
            max_size=2,
        )
    )
    at = st.sampled_from([None, *sorted(locations)])
    peers = draw(
        st.dictionaries(
            NAMES,
            st.builds(
                config.Peer,
                aet=AE_TITLES,
                host=HOSTS,
                port=PORTS,
                location=at,
                local=st.sampled_from([None, *sorted(aes)]),
                tls=TLS,
            ),
            max_size=3,
        )
    )
    web = draw(
        st.dictionaries(
            NAMES.filter(lambda name: name not in peers),
            st.builds(
                config.DicomwebPeer,
                url=st.just("https://pacs.example.org/dicom-web"),
                location=at,
                user=st.none() | TEXTS,
                token=st.none() | SECRETS,
            ),
            max_size=2,
        )
    )
    windows = draw(st.dictionaries(NAMES, WINDOWS, max_size=2) | st.just(config.Viewing().windows))
    viewing = config.Viewing(
        windows=windows,
        preset=draw(st.sampled_from([None, *sorted(windows)])),
        layout=draw(st.sampled_from(config.Layout)),
    )
    images = config.Images(
        viewing=viewing,
        storing=config.Storing(transfer_syntaxes=draw(SYNTAXES)),
        general=config.General(frames_per_s=draw(st.floats(1e-3, 1e3))),
    )
    return config.Settings(
        aes=aes,
        locations=locations,
        peers=peers,
        dicomweb=web,
        images=images,
        server=config.Server(port=draw(PORTS)),
        safety=config.Safety(depth=draw(st.integers(1, 200))),
    )


@settings(max_examples=20, deadline=None)
@given(first=configurations(), second=configurations())
def test_what_is_written_is_read(first: config.Settings, second: config.Settings) -> None:
    """A new file, then the same file brought to other settings, then back again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        for wanted in (first, second, first):
            config.write(wanted, path)

            checked = config.check(path, environ={})
            assert checked.settings == wanted
            assert checked.unknown == ()
            before = path.read_bytes()
            config.write(wanted, path)
            assert path.read_bytes() == before
