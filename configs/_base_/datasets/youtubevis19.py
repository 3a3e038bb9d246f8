# YouTube-VIS 2019: 40 categories, frames at most 640x360 for the network.
categories = "youtube_vis_2019"
data_preprocessor = dict(
    img_scale=(640, 360),
    mean=(123.675, 116.28, 103.53),  # RGB
    std=(58.395, 57.12, 57.375),
    to_rgb=True,
    size_divisor=32,
)
