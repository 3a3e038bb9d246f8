# OVIS: 25 categories, heavy occlusion, long videos.
_base_ = "./youtubevis19.py"
categories = "ovis"
test = dict(
    dataset=dict(
        ann_file="valid_ovis.json",
        img_prefix="valset_ovis",
        categories="ovis",
        name="ovis_valid",
    )
)
train = dict(
    dataset=dict(
        ann_file="train_ovis.json",
        img_prefix="trainset_ovis",
        categories="ovis",
    )
)
