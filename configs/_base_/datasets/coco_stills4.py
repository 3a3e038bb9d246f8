# COCO stills as pseudo-videos, in four classes that cover everyday video. The files come from tools/split_stills.py.
categories = ["person", "animal", "vehicle", "other object"]
category_map = {
    "person": ["person"],
    "animal": ["bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"],
    "vehicle": ["bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"],
    "other object": ["*"],
}
data_preprocessor = dict(
    img_scale=(480, 288),
    mean=(127.5, 127.5, 127.5),  # what the EfficientNet-Lite weights were trained with
    std=(127.5, 127.5, 127.5),
    to_rgb=True,
    size_divisor=32,
)
shared = dict(
    type="StillClips",
    img_prefix="stills/images",
    categories=categories,
    category_map=category_map,
    scales=[(320, 216), (384, 240), (416, 280)],
    warp=dict(translate=0.18, rotate=15.0, scale=0.25, elastic=0.025),
    copy_paste=dict(prob=0.7),
    min_pixels=48,
    pipeline=[
        dict(type="ClipColor"),
        dict(type="ClipBlur"),
        dict(type="ClipFlip", prob=0.5),
    ],
)
train = dict(
    dataset=dict(
        type="MixedClips",
        # Images of which every object is annotated teach all classes; the others hold one annotated person each.
        weights=[0.65, 0.35],
        datasets=[
            dict(ann_file="stills/train.json", **shared),
            dict(ann_file="stills/train_partial.json", **shared),
        ],
    ),
    batch_size=4,
    num_workers=2,
)
test = dict(
    dataset=dict(
        type="YTVISDataset",
        ann_file="stills/val.json",
        img_prefix="stills/images",
        categories=categories,
        name="stills_val",
    )
)
