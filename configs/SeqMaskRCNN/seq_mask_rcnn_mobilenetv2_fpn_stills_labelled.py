# Second part of the default model's training: the stills with one annotated person hold what the first part and another
# detector see in them, with the first part's masks; images of rare classes come more often. The stages up to C4 stay as
# they are, so that the propagation head can be trained on them at the same time.
_base_ = "./seq_mask_rcnn_mobilenetv2_fpn_stills.py"
model = dict(backbone=dict(frozen_stages=3))
more = dict(repeat_thr=0.15, **_base_.shared)
train = dict(
    dataset=dict(
        datasets=[
            dict(ann_file="stills/train.json", img_prefix="stills/images", **more),
            dict(ann_file="stills_more/instances.json", img_prefix="stills_more/images", **more),
            dict(ann_file="stills/train_labelled.json", img_prefix="stills/images", **more),
        ],
    ),
)
load_from = "work_dirs/default_model/stills/iter_1000.pth"
train_cfg = dict(max_iters=1700)
optim_wrapper = dict(optimizer=dict(lr=6e-4))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.3, by_epoch=False, begin=0, end=30),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=30, end=1700, eta_min_ratio=0.005),
]
