"""A folder and a zip are sources like any other."""

import zipfile

import pytest

from dicomlab import phantoms
from dicomlab.media import open_folder
from dicomlab.testing import SourceContract


class TestFolder(SourceContract):
    """Files in a folder, read in place."""

    @pytest.fixture
    def source_of(self, tmp_path):
        def make(instances):
            phantoms.write(instances, tmp_path / "studies")
            return open_folder(tmp_path / "studies")

        return make


class TestZip(SourceContract):
    """Members of a zip, deflated or stored; nothing is extracted."""

    @pytest.fixture(params=["deflated", "stored"])
    def source_of(self, request, tmp_path):
        method = zipfile.ZIP_DEFLATED if request.param == "deflated" else zipfile.ZIP_STORED

        def make(instances):
            paths = phantoms.write(instances, tmp_path / "studies")
            with zipfile.ZipFile(tmp_path / "studies.zip", "w", method) as container:
                for path in paths:
                    container.write(path, f"a folder/{path.name}")
            return open_folder(tmp_path / "studies.zip")

        return make
