# The default model: EfficientNet-Lite0 with narrow neck and heads, trained on stills as pseudo-videos by
# scripts/default_model/train.sh. Its propagation head has learnt to match on SynthVIS before; this part trains on pairs
# of views at a high learning rate, seq_mask_rcnn_lite0_fpn_stills_clips.py after it on clips of three.
_base_ = [
    "../_base_/models/seq_mask_rcnn_r50_fpn.py",
    "../_base_/datasets/coco_stills4.py",
    "../_base_/propose_reduce/ytvis.py",
    "../_base_/runtime.py",
]
model = dict(
    backbone=dict(_delete_=True, type="TimmBackbone", model_name="tf_efficientnet_lite0", frozen_stages=1),
    neck=dict(out_channels=96, lateral_gain=0.1),
    rpn_head=dict(feat_channels=96, scales=[4]),
    bbox_roi_extractor=dict(finest_scale=28),
    mask_roi_extractor=dict(finest_scale=28),
    bbox_head=dict(num_classes=5, fc_channels=256),
    mask_head=dict(num_classes=5, num_convs=2, conv_channels=96),
    prop_head=dict(channels=64, key_channels=32, fuse_channels=128, key_norm=9.0),
    train_cfg=dict(
        rcnn=dict(num=64),
        prop=dict(true_mask_share=0.5, bce_weight=1.0, max_objects=4),
    ),
)
load_from = "work_dirs/seq_mask_rcnn_lite0_synthvis/iter_600.pth"
train_cfg = dict(max_iters=700)
optim_wrapper = dict(
    optimizer=dict(type="AdamW", lr=6e-4, weight_decay=0.02),
    clip_grad=dict(max_norm=10),
    precision="bfloat16",
    paramwise_cfg=dict(
        custom_keys={"backbone": dict(lr_mult=0.3), "prop_head": dict(lr_mult=0.5)},
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
    ),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=2200, eta_min_ratio=0.02),
]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=20),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=100, max_keep_ckpts=2),
)
