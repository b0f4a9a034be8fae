"""A plain pandas filter of a table of records: what queries are compared with."""

import fnmatch
import re

import pandas as pd

from dicomlab.testing import NAMES


def chosen(frame, ask):
    """Return which rows of the table answer one key: pandas alone, no code under test."""
    column = frame[ask.keyword]
    if ask.kind == "universal":
        return pd.Series([True] * len(frame), index=frame.index)
    if ask.kind == "empty":
        return column.isna()
    if ask.keyword == "PatientName":
        return names(column, ask)
    if ask.keyword.endswith(("Date", "Time")):
        column = seconds(column, ask.keyword)
        low, high = ask.plain if ask.kind == "range" else (ask.plain, ask.plain)
        bounds = seconds(pd.Series([low, high], dtype=object), ask.keyword)
        above = column.ge(bounds[0] if low else -(10**12))
        return (above & column.le(bounds[1] if high else 10**12)).fillna(value=False)
    values = column.explode()
    if ask.kind == "value":
        hits = values == ask.plain
    elif ask.kind == "range":
        hits = pd.to_numeric(values).between(*ask.plain)
    elif ask.kind == "list":
        hits = values.isin(ask.plain)
    else:
        hits = values.astype("string").str.fullmatch(expression(ask.plain)).fillna(value=False)
    return hits.groupby(level=0).any()


def expression(pattern):
    """Return fnmatch's reading of a pattern: of what is drawn, only * and ? are special to it."""
    return re.compile(fnmatch.translate(pattern))


def names(column, ask):
    """Match the names by what the table of names says is left of them."""
    forms = column.map(lambda text: NAMES[text] if isinstance(text, str) else ()).explode()
    patterns = [ask.plain]
    # Empty components at the end may be left out: DOE^* asks for DOE too.
    while (
        ask.kind == "wildcard" and (shorter := re.sub(r"\^\**$", "", patterns[-1])) != patterns[-1]
    ):
        patterns.append(shorter)
    hits = pd.Series([False] * len(forms), index=forms.index)
    for pattern in patterns:
        hits |= forms.astype("string").str.fullmatch(expression(pattern)).fillna(value=False)
    return hits.groupby(level=0).any()


def seconds(column, keyword):
    """Return dates as days and times as microseconds, missing ones as missing."""
    text = column.astype("string")
    if keyword.endswith("Date"):
        year, month, day = (text.str[a:b].astype("Float64") for a, b in ((0, 4), (4, 6), (6, 8)))
        return year * 10_000 + month * 100 + day
    parts = (text.str[a:b].astype("Float64") for a, b in ((0, 2), (2, 4), (4, 6), (7, 13)))
    hour, minute, second, fraction = parts
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
