"""One line on each type and each property, for the report; ``docs/analysis.md`` has the definitions in full."""

from __future__ import annotations

from mmdet_vis.evaluation.analysis.error_types import ErrorType, ObjectType

PREDICTIONS: dict[ErrorType, str] = {
    ErrorType.CORRECT: "sequence IoU of 0.5 or more with an object of its category that no better prediction took",
    ErrorType.IGNORED: "the same with a crowd: neither right nor wrong",
    ErrorType.DUPLICATE: "the same with an object that a better prediction took",
    ErrorType.WRONG_CLASS: "sequence IoU of 0.5 or more with an object of another category",
    ErrorType.BROKEN_TRACK: "IoU of 0.5 or more in the frames in which it is on an object of its category, but it "
    "leaves out or strays from too many others",
    ErrorType.POOR_MASK: "sequence IoU of 0.1 to 0.5 with an object of its category, as masks differ",
    ErrorType.WRONG_CLASS_AND_MASK: "one of the last two, but with an object of another category",
    ErrorType.BACKGROUND: "none of these",
}
OBJECTS: dict[ObjectType, str] = {
    ObjectType.FOUND: "has a correct prediction",
    ObjectType.WRONG_CLASS: "else: has a prediction of the wrong class",
    ObjectType.BROKEN_TRACK: "else: has a broken track",
    ObjectType.POOR_MASK: "else: has a prediction with a poor mask",
    ObjectType.MISSED: "has none of these",
}
BINS: dict[str, str] = {
    "length": "Number of frames in which the object is visible.",
    "size": "Square root of the object's average mask area, in pixels.",
    "occlusion": "Share of the frames, from the first to the last in which the object is visible, in which it is "
    "absent or its box overlaps or touches another object's box.",
}
