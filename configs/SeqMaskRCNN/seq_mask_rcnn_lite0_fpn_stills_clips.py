# Second part of the default model's training: clips of three views, so that what was decoded is remembered and used,
# and a learning rate that goes to zero; see scripts/default_model/train.sh.
_base_ = "./seq_mask_rcnn_lite0_fpn_stills.py"
train = dict(
    dataset=dict(
        datasets=[
            dict(ann_file="stills/train.json", num_frames=3, **_base_.shared),
            dict(ann_file="stills/train_partial.json", num_frames=3, **_base_.shared),
        ]
    )
)
load_from = "work_dirs/seq_mask_rcnn_lite0_fpn_stills/iter_700.pth"
train_cfg = dict(max_iters=500)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=30, end=500, eta_min_ratio=0.01),
]
custom_hooks = [dict(type="MovingAverageHook", decay=0.98)]
