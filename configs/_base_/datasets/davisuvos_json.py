# DAVIS unsupervised from the original's annotation file, for frames without the rest of the DAVIS folder.
_base_ = "./davisuvos.py"
test = dict(
    dataset=dict(
        _delete_=True,
        type="YTVISDataset",
        ann_file="valid_davis.json",
        img_prefix="trainvalset_davis",
        categories="davis_uvos",
        name="davis_uvos_val",
        submission="davis",
    )
)
