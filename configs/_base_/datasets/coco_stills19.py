# COCO stills one at a time, for a detector that meets everyday video: 18 categories by name, and "other object" for
# whatever else is annotated. The files come from scripts/default_model/train.sh.
categories = [
    "person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "boat", "bird", "cat", "dog", "horse", "sheep",
    "cow", "elephant", "bear", "zebra", "giraffe", "other object",
]  # fmt: skip
category_map = {
    "person": ["person"], "bicycle": ["bicycle"], "car": ["car"], "motorcycle": ["motorcycle"], "bus": ["bus"],
    "train": ["train"], "truck": ["truck"], "boat": ["boat"], "bird": ["bird"], "cat": ["cat"], "dog": ["dog"],
    "horse": ["horse"], "sheep": ["sheep"], "cow": ["cow"], "elephant": ["elephant"], "bear": ["bear"],
    "zebra": ["zebra"], "giraffe": ["giraffe"], "other object": ["*"],
}  # fmt: skip
data_preprocessor = dict(
    # The stills are at most 480 pixels long; a little larger finds more. 16:9 becomes 512x288, without padding.
    img_scale=(512, 384),
    mean=(127.5, 127.5, 127.5),  # what the weights of MobileNetV2 were trained with
    std=(127.5, 127.5, 127.5),
    to_rgb=True,
    size_divisor=32,
)
shared = dict(
    type="StillClips",
    categories=categories,
    category_map=category_map,
    num_frames=1,
    scales=[(416, 312)],
    # Objects come at 0.65 to 1.7 times the size that they have in use; above a zoom of 1 the border cuts them.
    warp=dict(zoom=(0.75, 2.0), translate=0.0, rotate=8.0, scale=0.0, shear=0.0, elastic=0.0),
    copy_paste=dict(prob=0.4, size=(0.1, 0.4)),
    min_pixels=32,
    cache_bytes=400_000_000,
    pipeline=[dict(type="ClipColor"), dict(type="ClipFlip", prob=0.5)],
)
train = dict(
    dataset=dict(
        type="MixedClips",
        weights=[0.4, 0.15, 0.45],
        datasets=[
            dict(ann_file="stills/train.json", img_prefix="stills/images", **shared),
            dict(ann_file="stills_more/instances.json", img_prefix="stills_more/images", **shared),
            # One person of each is annotated; regions in which another detector sees something are ignored.
            dict(ann_file="stills/train_completed.json", img_prefix="stills/images", **shared),
        ],
    ),
    batch_size=8,
    num_workers=0,
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
