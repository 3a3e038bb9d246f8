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
