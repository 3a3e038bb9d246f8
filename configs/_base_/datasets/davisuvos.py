# DAVIS unsupervised: one category, frames at most 854x480 for the network.
_base_ = "./youtubevis19.py"
categories = "davis_uvos"
data_preprocessor = dict(img_scale=(854, 480))
# The original's link to JPEGImages/480p of a DAVIS folder, or to the folder itself; no annotation file is needed.
test = dict(
    dataset=dict(
        _delete_=True,
        type="DAVISDataset",
        root="trainvalset_davis",
        set_name="val",
        year=2017,
        name="davis_uvos_val",
    )
)
# Made by: python tools/convert_davis.py data/DAVIS data/train_davis.json --set train
train = dict(
    dataset=dict(
        ann_file="train_davis.json",
        img_prefix="trainvalset_davis",
        categories="davis_uvos",
        pipeline=[dict(type="ClipResize", scales=[(854, 480)]), dict(type="ClipFlip", prob=0.5)],
    )
)
