"""The scene is described once, in a JSON schema; both languages' types come of it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest

from dicomlab.viewing import SCHEMA_FOLDER, Scene

ROOT = Path(__file__).parents[3]
SCENE: Scene = {
    "version": 1,
    "title": "Thorax",
    "volume": {
        "store": "volumes/1/",
        "plane_url": "volumes/1/plane/{axis}/{index}",
        "shape": [40, 64, 48],
        "dtype": "int16",
        "index_to_lps": [[0, 0, 0.7, -16], [0, 0.7, 0, -22], [2.5, 0, 0, 10], [0, 0, 0, 1]],
        "rescale_slope": 1.0,
        "rescale_intercept": [-1024.0] * 40,
        "units": "HU",
        "modality": "CT",
        "photometric_interpretation": "MONOCHROME2",
        "windows": [{"explanation": "LUNG", "center": -600, "width": 1500}],
    },
    "state": {"voxel": [20, 30, 24], "zoom": 1.5, "layout": "planes"},
}


def validator(name: str, definition: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMA_FOLDER / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(
        {"$defs": schema["$defs"], "$ref": f"#/$defs/{definition}"}
    )


def test_generated_types_are_those_of_the_schema():
    """Python's and TypeScript's types are what the generator makes of the schema today."""
    spec = importlib.util.spec_from_file_location(
        "generate_scene", ROOT / "tools/generate_scene.py"
    )
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    for path, text in tool.generate().items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_a_typed_scene_is_valid():
    """What type-checks as a Scene is valid by its schema."""
    validator("scene.schema.json", "Scene").validate(SCENE)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [40, 64]},
        {"dtype": "complex64"},
        {"index_to_lps": [[1, 0, 0, 0]] * 3},
        {"photometric_interpretation": "RGB"},
        {"windows": [{"center": 0, "width": 0}]},
        {"unknown": 1},
    ],
)
def test_a_wrong_scene_is_refused(change):
    """A scene that the viewer could not show does not validate."""
    scene = {**SCENE, "volume": {**SCENE["volume"], **change}}

    assert not validator("scene.schema.json", "Scene").is_valid(scene)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("Request", {"kind": "bundle", "id": "1", "name": "widget.js"}),
        ("Request", {"kind": "chunk", "id": "2", "key": "0/c/0/0/0"}),
        (
            "Request",
            {"kind": "chunk", "id": "3", "key": "0/c/0/0/0", "range": {"suffix_length": 68}},
        ),
        ("Request", {"kind": "plane", "id": "4", "axis": 1, "index": 7}),
        ("Request", {"kind": "cancel", "id": "4"}),
        ("Reply", {"kind": "reply", "id": "4", "status": "ok"}),
    ],
)
def test_messages_of_the_protocol_are_valid(definition, message):
    """Each kind of message is valid by its schema, and by one branch only."""
    validator("messages.schema.json", definition).validate(message)
