# YouTube-VIS 2021: the same frames and number of categories as 2019, other names.
_base_ = "./youtubevis19.py"
categories = "youtube_vis_2021"
test = dict(
    dataset=dict(
        ann_file="valid_ytv21.json",
        img_prefix="valset_ytv21",
        categories="youtube_vis_2021",
        name="youtube_vis_2021_valid",
    )
)
train = dict(
    dataset=dict(
        ann_file="train_ytv21.json",
        img_prefix="trainset_ytv21",
        categories="youtube_vis_2021",
    )
)
