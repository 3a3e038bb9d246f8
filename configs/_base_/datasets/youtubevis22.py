# YouTube-VIS 2022: the categories of 2021; its validation set adds long videos.
_base_ = "./youtubevis21.py"
categories = "youtube_vis_2022"
test = dict(
    dataset=dict(
        ann_file="valid_ytv22.json",
        img_prefix="valset_ytv22",
        categories="youtube_vis_2022",
        name="youtube_vis_2022_valid",
    )
)
# 2022 has new validation videos only: it is trained on 2021.
train = dict(
    dataset=dict(
        ann_file="train_ytv21.json",
        img_prefix="trainset_ytv21",
        categories="youtube_vis_2022",
    )
)
