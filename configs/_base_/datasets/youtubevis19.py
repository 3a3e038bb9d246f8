# YouTube-VIS 2019: 40 categories, frames at most 640x360 for the network.
categories = "youtube_vis_2019"
data_preprocessor = dict(
    img_scale=(640, 360),
    mean=(123.675, 116.28, 103.53),  # RGB
    std=(58.395, 57.12, 57.375),
    to_rgb=True,
    size_divisor=32,
)
# Paths are relative to data_root, which is "data" in the working directory; see data/README.md.
test = dict(
    dataset=dict(
        type="YTVISDataset",
        ann_file="valid_ytv19.json",
        img_prefix="valset_ytv19",
        categories="youtube_vis_2019",
        name="youtube_vis_2019_valid",
    )
)
# Fixed scale and flips only, as published.
train = dict(
    dataset=dict(
        type="YTVISClips",
        ann_file="train_ytv19.json",
        img_prefix="trainset_ytv19",
        categories="youtube_vis_2019",
        pipeline=[dict(type="ClipResize", scales=[(640, 360)]), dict(type="ClipFlip", prob=0.5)],
    ),
    num_workers=2,
)
