"""What every tier shares: markers by folder, peers, real data, and the results for the register."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import as_nobody, stores
from tests import postgres as postgres_server
from tests.peers import PeerMissingError, Peers
from tools.requirements import current_commit

ROOT = Path(__file__).parents[1]
# The machine is shared: a slow example proves nothing. The same examples every time; `make fuzz`
# is where new ones are looked for.
settings.register_profile(
    "dicomlab",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dicomlab")
TIERS = {
    "unit", "property", "contract", "interop", "fuzz", "browser", "notebooks", "bench", "typing",
}  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the results file of a tier."""
    parser.addoption("--results", type=Path, help="write what passed, as JSON, for the register")


def pytest_configure(config: pytest.Config) -> None:
    """Collect results where they were asked for."""
    target = config.getoption("--results")
    if target is not None:
        config.pluginmanager.register(Results(ROOT / target), "dicomlab-results")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the tier of its folder; tests in a browser come last.

    Playwright keeps an event loop running in the main thread, and others start one of their own.
    """
    for item in items:
        parts = set(item.path.relative_to(ROOT / "tests").parts)
        for tier in TIERS & parts:
            item.add_marker(tier)
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


_STATUS = pytest.StashKey[int]()


class Results:
    """Writes one JSON file for a run: every test's outcome, its rows, and the peers it started."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.tests: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Any:
        """Note the outcome; a failure in any phase is the test's."""
        report = yield
        entry = self.tests.setdefault(
            item.nodeid,
            {
                "outcome": "passed",
                "rows": [
                    [mark.args[0], mark.kwargs.get("check")] for mark in item.iter_markers("req")
                ],
                "peers": [],
            },
        )
        if report.outcome != "passed" and entry["outcome"] == "passed":
            entry["outcome"] = report.outcome
        started = [name for key, name in item.user_properties if key == "peer"]
        entry["peers"] = sorted({*entry["peers"], *started})
        return report

    def pytest_sessionfinish(self) -> None:
        """Write the file, whole or not at all."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        partial = self.target.with_suffix(".partial")
        partial.write_text(json.dumps({"commit": current_commit(), "tests": self.tests}, indent=1))
        partial.replace(self.target)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End a run that is over without taking the interpreter apart.

    ITK's lazy modules crash it there, after some combinations of other tests: the exit code of a
    run without failures would be that of a crash. All fixtures are gone by now.
    """
    status = config.stash.get(_STATUS, None)
    if status is None or hasattr(config, "workerinput"):
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep what the run ends with."""
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a home to tests that make none of their own: nothing is written into the developer's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("DICOMLAB_HOME", str(folder))
        yield folder


def peer_missing(error: PeerMissingError) -> None:
    """Skip for want of a peer, or fail where peers are required."""
    if os.environ.get("DICOMLAB_PEERS") == "required":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))


@pytest.fixture
def peers(request: pytest.FixtureRequest) -> Peers:
    """Find other implementations; a missing one skips, or fails where peers are required."""

    def started(name: str) -> None:
        request.node.user_properties.append(("peer", name))

    return Peers(missing=peer_missing, started=started)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real DICOM files that ``DICOMLAB_TEST_DATA`` names."""
    folder = os.environ.get("DICOMLAB_TEST_DATA")
    if not folder:
        pytest.skip("DICOMLAB_TEST_DATA is not set: no real DICOM files to test on")
    return Path(folder)


@pytest.fixture(scope="session")
def postgres_session() -> Iterator[postgres_server.Postgres | PeerMissingError]:
    """Start one PostgreSQL for all tests that ask for it, or keep why there is none."""
    try:
        with postgres_server.running() as server:
            yield server
    except PeerMissingError as error:
        yield error


@pytest.fixture
def postgres(
    request: pytest.FixtureRequest,
    postgres_session: postgres_server.Postgres | PeerMissingError,
) -> postgres_server.Postgres:
    """Give a PostgreSQL server; each test makes its own database in it."""
    if isinstance(postgres_session, PeerMissingError):
        peer_missing(postgres_session)
        raise postgres_session
    request.node.user_properties.append(("peer", "postgresql"))
    return postgres_session


@pytest.fixture(scope="session")
def s3() -> Iterator[stores.S3]:
    """Start one S3 server for all tests that ask for it; each makes its own bucket in it."""
    with stores.running() as server:
        yield server


@pytest.fixture(scope="session")
def nobody() -> Iterator[as_nobody.Nobody]:
    """Start one process that may do little, for all tests that ask for it."""
    with as_nobody.running() as child:
        yield child
