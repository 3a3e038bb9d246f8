"""Files of programs whose formats are not read: named, with what to export instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmdet_vis.data.check.check import check_ytvis
from mmdet_vis.data.converters import read_annotations
from mmdet_vis.errors import DatasetError


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.json", '{"_via_img_metadata": {}}', "it is a project of VIA; export it there as COCO"),
        ("a.json", '{"categories": {}, "items": []}', 'it is of Datumaro; export the task as "CVAT for video 1.1"'),
        ("a.json", '{"size": {}, "objects": [], "tags": []}', "it is a frame of Supervisely"),
        ("a.json", '{"video_id": "sav_1", "masklet": []}', "it is of SA-V; give the folder that has Annotations_6fps"),
        ("a.json", '{"images": []}', "it lists the images of a COCO file that has no annotations"),
        ("a.json", '[{"image_id": 1, "category_id": 1, "score": 1, "bbox": []}]', "it is a list of COCO detections"),
        ("a.json", '[{"name": "0.jpg", "labels": []}]', "it is of Scalabel or BDD100K"),
        ("a.json", '{"sequences": [], "split": "val", "categories": []}', "it is of BURST"),
        ("a.json", '{"images": [], "annotations": [{"segments_info": []}]}', "it lists the segments of panoptic PNGs"),
        ("a.json", '{"a.jpg12": {"filename": "a.jpg", "regions": []}}', "it holds annotations of VIA"),
        ("a.json", '{"imgHeight": 1, "imgWidth": 1, "objects": []}', "it holds the polygons of Cityscapes"),
        ("a.json", '[{"DataRow ID": 1}]', "it is of Labelbox"),
        ("a.json", '[{"id": 1, "annotator": 1, "annotation_id": 3}]', "it looks like an export of Label Studio"),
        ("a.json", '[{"version": 0, "tags": [], "shapes": [], "tracks": []}]', "it is of a backup of CVAT"),
        (
            "a.json",
            '[{"image_id": 1, "category_id": 1, "track_id": 1, "video_id": 1, "score": 1, "segmentation": {}}]',
            "it is a list of masks of single frames, as TAO",
        ),
        ("a.csv", "filename,file_size,file_attributes\na.jpg,1,{}", "it is a table of VIA"),
        ("a.csv", "ImageID,Source\n", "it is a table of OpenImages"),
        ("data.yaml", "train: images/train\nnames: [ball]", "it is the data.yaml of YOLO"),
        ("a.manifest", '{"source-ref": "s3://a.jpg"}', "it is a manifest of SageMaker"),
        ("a.xml", "<annotation><folder>a</folder></annotation>", "it is of Pascal VOC or LabelMe"),
        ("a.npz", "PK", "it holds arrays or a table; write the masks as PNGs"),
        ("a.zip", "PK\3\4", "it is a zip archive that is cut short or damaged: get it again"),
        ("a.ndjson", '{"data_row": {}}', "it is a list of JSON lines"),
        ("gt/gt.txt", "1,1,794.2,47.5,71.2,174.8,1,1,0.8", "it holds boxes of MOT, which have no masks"),
        ("labels/0.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5", "it holds labels of YOLO, which have no tracks"),
    ],
)
def test_files_of_other_programs_are_named(tmp_path: Path, name: str, text: str, what: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    places = [tmp_path / name, *([tmp_path] if not name.endswith("ndjson") else [])]
    for place in places:
        with pytest.raises(DatasetError) as error:
            read_annotations(place)
        assert what in str(error.value)
    if name.endswith(".json") and text[0] == "{" and "images" not in text:
        with pytest.raises(DatasetError) as error:
            check_ytvis(tmp_path / name)
        assert what in str(error.value)
