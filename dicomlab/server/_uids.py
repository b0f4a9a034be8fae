"""What may stand in an address."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Path

__all__ = ["AxisNumber", "Uid", "VolumeName"]

AxisNumber: TypeAlias = Annotated[int, Path(ge=0, le=2)]
Uid: TypeAlias = Annotated[str, Path(pattern=r"^[0-9.]{1,64}$")]
VolumeName: TypeAlias = Annotated[str, Path(pattern=r"^[0-9.]{1,64}(_[0-9a-f]{16})?$")]
