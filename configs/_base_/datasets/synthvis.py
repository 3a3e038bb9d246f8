# SynthVIS, made by: python -m mmdet_vis.data.synthvis data/SynthVIS
categories = [
    "striped_fish",
    "dotted_fish",
    "dotted_turtle",
    "checked_turtle",
    "checked_star",
    "marbled_star",
    "marbled_ring",
    "striped_ring",
]
data_preprocessor = dict(
    img_scale=(256, 144),
    mean=(127.5, 127.5, 127.5),  # what the EfficientNet-Lite weights were trained with
    std=(127.5, 127.5, 127.5),
    to_rgb=True,
    size_divisor=32,
)
train = dict(
    dataset=dict(
        type="YTVISClips",
        ann_file="SynthVIS/train/instances.json",
        img_prefix="SynthVIS/train/JPEGImages",
        categories=categories,
        pipeline=[
            dict(type="ClipResize", scales=[(256, 144)]),
            dict(type="ClipFlip", prob=0.5),
        ],
    ),
    batch_size=4,
    num_workers=2,
)
test = dict(
    dataset=dict(
        type="YTVISDataset",
        ann_file="SynthVIS/val/instances.json",
        img_prefix="SynthVIS/val/JPEGImages",
        categories=categories,
        name="synthvis_val",
    )
)
