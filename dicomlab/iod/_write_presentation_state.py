"""Grey-scale presentation states written from a view, on highdicom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import highdicom as hd
import numpy as np
from pydicom import Dataset

from dicomlab.catalog import Instance, InstanceData
from dicomlab.iod._key_objects import dataset_of
from dicomlab.iod._made import copy_body_part
from dicomlab.iod._origin import DICOMLAB, Equipment, new_uid
from dicomlab.iod._presentation_state import Graphic
from dicomlab.pixels import VoiWindow

_LAYER = "DRAWINGS"


def write_presentation_state(
    images: Iterable[Instance | InstanceData | Dataset],
    window: VoiWindow | None = None,
    *,
    rotation_degrees: int = 0,
    is_flipped: bool = False,
    inverse: bool = False,
    area: tuple[tuple[int, int], tuple[int, int]] | None = None,
    graphics: Sequence[Graphic] = (),
    label: str = "STATE",
    description: str = "",
    series_description: str = "Presentation state",
    series_number: int = 308,
    equipment: Equipment = DICOMLAB,
) -> Dataset:
    """Return how images of one series are shown as a grey-scale softcopy presentation state.

    Parameters
    ----------
    images
        Which images; all of one size, with one rescale.
    window
        On modality values, the images' own where not given.
    rotation_degrees, is_flipped
        Turned clockwise by 0, 90, 180 or 270, then mirrored left to right.
    inverse
        The least value is shown white.
    area
        Corners of what is shown, as (column, row) from 1: top left and bottom right as they lie
        in the image. All of it by default.
    graphics
        Drawings and texts; their `images` and `layer` are not looked at: they are for all images.
    label
        Content Label (0070,0080): up to 16 capitals, digits and underscores.

    Returns
    -------
    Dataset
        With File Meta Information.

    Raises
    ------
    ValueError
        No image, or a rotation by what is no right angle.
    """
    if rotation_degrees not in (0, 90, 180, 270):
        raise ValueError("rotation_degrees is 0, 90, 180 or 270")
    chosen = [dataset_of(one) for one in images]
    if not chosen:
        raise ValueError("a presentation state is for one image or more")
    layer = hd.pr.GraphicLayer(_LAYER, order=1, description="Drawings")
    annotations = None
    if graphics:
        annotations = [
            hd.pr.GraphicAnnotation(
                referenced_images=chosen,
                graphic_layer=layer,
                graphic_objects=[_drawing(one) for one in graphics if one.kind != "TEXT"] or None,
                text_objects=[_text(one) for one in graphics if one.kind == "TEXT"] or None,
            )
        ]
    voi = None
    if window is not None:
        voi = [
            hd.pr.SoftcopyVOILUTTransformation(
                window_center=window.center,
                window_width=window.width,
                voi_lut_function=window.function.value,
            )
        ]
    made = hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=chosen,
        series_instance_uid=new_uid(),
        series_number=series_number,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.manufacturer_model_name,
        software_versions=equipment.software_versions,
        device_serial_number=equipment.device_serial_number,
        content_label=label,
        content_description=description or None,
        graphic_annotations=annotations,
        graphic_layers=[layer] if graphics else None,
        voi_lut_transformations=voi,
        presentation_lut_transformation=hd.PresentationLUTTransformation(
            presentation_lut_shape="INVERSE" if inverse else "IDENTITY"
        ),
    )
    made.SeriesDescription = series_description
    copy_body_part(chosen[0], made)
    if rotation_degrees or is_flipped:
        made.ImageRotation = rotation_degrees
        made.ImageHorizontalFlip = "Y" if is_flipped else "N"
    _show(made, area, rotation_degrees, is_flipped)
    return made


def _show(
    made: Dataset,
    area: tuple[tuple[int, int], tuple[int, int]] | None,
    rotation: int,
    is_flipped: bool,  # noqa: FBT001  one caller
) -> None:
    """Name the corners as they lie after turning and mirroring (PS3.3 C.10.4)."""
    for item in made.DisplayedAreaSelectionSequence:
        first, last = area or (
            tuple(item.DisplayedAreaTopLeftHandCorner),
            tuple(item.DisplayedAreaBottomRightHandCorner),
        )
        (left, top), (right, bottom) = first, last
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        # Turned clockwise once, what was bottom left is top left.
        turns = rotation // 90
        corners = corners[-turns:] + corners[:-turns] if turns else corners
        if is_flipped:
            corners = [corners[1], corners[0], corners[3], corners[2]]
        item.DisplayedAreaTopLeftHandCorner = list(corners[0])
        item.DisplayedAreaBottomRightHandCorner = list(corners[2])


def _drawing(one: Graphic) -> hd.pr.GraphicObject:
    return hd.pr.GraphicObject(
        graphic_type=one.kind,
        graphic_data=np.array(one.points, np.float64),
        units=one.units,
        is_filled=one.is_filled,
    )


def _text(one: Graphic) -> hd.pr.TextObject:
    anchor = one.points[0] if len(one.points) == 1 else None
    box = (*one.points[0], *one.points[1]) if len(one.points) == 2 else None
    return hd.pr.TextObject(
        text_value=one.text, units=one.units, anchor_point=anchor, bounding_box=box
    )
