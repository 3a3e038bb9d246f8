# A small network that a CPU can train on SynthVIS in an hour or two: EfficientNet-Lite0, narrow neck and heads.
_base_ = [
    "../_base_/models/seq_mask_rcnn_r50_fpn.py",
    "../_base_/datasets/synthvis.py",
    "../_base_/propose_reduce/ytvis.py",
    "../_base_/runtime.py",
]
model = dict(
    backbone=dict(_delete_=True, type="TimmBackbone", model_name="tf_efficientnet_lite0", frozen_stages=1),
    neck=dict(out_channels=96, lateral_gain=0.1),
    rpn_head=dict(feat_channels=96, scales=[4]),
    bbox_roi_extractor=dict(finest_scale=28),
    mask_roi_extractor=dict(finest_scale=28),
    bbox_head=dict(num_classes=9, fc_channels=256),
    mask_head=dict(num_classes=9, num_convs=2, conv_channels=96),
    prop_head=dict(channels=64, key_channels=32, fuse_channels=128, key_norm=9.0),
    train_cfg=dict(
        rcnn=dict(num=64),
        # The mask head has to be learnt first: half of the clips start from the true masks.
        prop=dict(true_mask_share=0.5, bce_weight=1.0),
    ),
)
train = dict(dataset=dict(max_gap=6))
load_from = "pretrained/tf_efficientnet_lite0_imagenet.safetensors"
train_cfg = dict(max_iters=3200, val_interval=1600)
val_cfg = dict(num_videos=15)
optim_wrapper = dict(
    optimizer=dict(type="AdamW", lr=6e-4, weight_decay=0.01),
    clip_grad=dict(max_norm=10),
    precision="bfloat16",
    paramwise_cfg=dict(
        custom_keys={"backbone": dict(lr_mult=0.3), "prop_head": dict(lr_mult=0.5)},
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
    ),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=200),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=200, end=3200, eta_min_ratio=0.02),
]
custom_hooks = [dict(type="MovingAverageHook", decay=0.998)]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=20),
    checkpoint=dict(
        type="CheckpointHook", by_epoch=False, interval=200, max_keep_ckpts=2, save_best="AP", rule="greater"
    ),
)
