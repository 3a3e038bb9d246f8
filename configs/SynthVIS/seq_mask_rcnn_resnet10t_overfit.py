# Two videos learnt by heart, from random weights: AP comes near 100 only if losses, targets and inference agree.
#   python -m mmdet_vis.data.synthvis data/SynthVIS --train 1 --val 2 --frames 10 --size 384x216 --difficulty easy
# Large objects at the size that the network sees: the decoder works at a quarter of it, and at 256x144 the outlines of
# small objects alone cost some of the AP.
_base_ = "./seq_mask_rcnn_lite0_synthvis.py"
data_preprocessor = dict(img_scale=(384, 216))
model = dict(
    backbone=dict(model_name="resnet10t", frozen_stages=0, norm_eval=False),
    neck=dict(out_channels=64, lateral_gain=1.0),
    rpn_head=dict(feat_channels=64),
    mask_head=dict(conv_channels=64),
    bbox_head=dict(fc_channels=128),
)
train = dict(
    dataset=dict(
        ann_file="SynthVIS/val/instances.json",
        img_prefix="SynthVIS/val/JPEGImages",
        pipeline=[dict(type="ClipResize", scales=[(384, 216)])],
    ),
    batch_size=2,
)
load_from = None
train_cfg = dict(max_iters=600, val_interval=600)
val_cfg = dict(num_videos=2)
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(custom_keys={"backbone": dict(lr_mult=1.0), "prop_head": dict(lr_mult=0.5)}),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=600, eta_min_ratio=0.02),
]
custom_hooks = [dict(type="MovingAverageHook", decay=0.98)]
