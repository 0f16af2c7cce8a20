"""Inline SVG that follows the page and disturbs nothing else on it."""

import re
from xml.etree import ElementTree

import matplotlib
import numpy as np

from cxr_clip.evaluate.plots import RankedPoint, Series, line_panel, prevalence_panel, roc_panel
from cxr_clip.metrics import RocCurve, roc_curve

SVG = "{http://www.w3.org/2000/svg}"


def curve():
    rng = np.random.default_rng(0)
    labels = rng.random(3000) < 0.3
    return roc_curve(rng.normal(size=3000) + labels, labels)


def panels():
    return (
        roc_panel({0: curve(), 1: curve()}, name='Mass "A" & <B>'),
        prevalence_panel(
            [
                RankedPoint("1", 0.2, 0.8, 0.7, 0.9, series=0),
                RankedPoint("2", 0.0, 0.6, 0.5, 0.7, series=1),
                RankedPoint("3", 0.0, 0.6, 0.4, 0.8, series=1),
            ],
            (0.01, 0.1),
            name="Zero-shot",
        ),
        line_panel([Series("total", [1, 2, 3], [3, 2, 1]), Series("one", [2], [1])], name="Loss", x_label="step"),
    )


def test_panels_are_elements_without_fixed_size_style_or_clashing_ids():
    ids = []
    for svg in panels():
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert root.get("width") is None
        assert root.get("viewBox")
        assert root.find(f".//{SVG}style") is None
        ids += [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def test_the_name_is_read_out_and_escaped():
    assert ElementTree.fromstring(panels()[0]).get("aria-label") == 'ROC curve of Mass "A" & <B>'


def test_colours_are_variables_of_the_page():
    for svg in panels():
        assert "var(--series-1)" in svg
        assert "var(--series-2)" in svg
        assert not re.findall(r"(?:fill|stroke): #\w+", svg)


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    svg = roc_panel({0: RocCurve(*[np.linspace(0, 1, 20_000)] * 3)}, name="Edema")
    assert len(svg) < 20_000


def test_drawing_leaves_the_settings_of_matplotlib_alone_and_repeats_itself():
    before = dict(matplotlib.rcParams)
    assert panels() == panels()
    assert dict(matplotlib.rcParams) == before


def test_findings_without_a_positive_stand_left_of_all_others_each_by_itself():
    svg = panels()[1]
    places = [float(x) for x in re.findall(r'<use [^>]*x="([\d.]+)"[^>]*fill: var\(--series-[12]\)', svg)]
    assert len(set(places)) == 3
    assert max(places) == places[0]
    assert ">none</text>" in svg
