# Propagation head of the default model, trained alone on the frozen backbone; see scripts/default_model/train.sh.
_base_ = [
    "../_base_/models/seq_mask_rcnn_r50_fpn.py",
    "../_base_/datasets/coco_stills4.py",
    "../_base_/propose_reduce/ytvis.py",
    "../_base_/runtime.py",
]
model = dict(
    backbone=dict(_delete_=True, type="TimmBackbone", model_name="mobilenetv2_100", pad_type="same", frozen_stages=4),
    neck=dict(out_channels=96, lateral_gain=0.1),
    rpn_head=dict(feat_channels=96, scales=[4]),
    bbox_roi_extractor=dict(finest_scale=28),
    mask_roi_extractor=dict(finest_scale=28),
    bbox_head=dict(num_classes=5, fc_channels=256),
    mask_head=dict(num_classes=5, num_convs=2, conv_channels=96),
    prop_head=dict(_delete_=True, type="LightPropHead"),
    train_cfg=dict(prop=dict(only=True, true_mask_share=0.4, bce_weight=2.0, max_objects=3)),
)
data_preprocessor = dict(img_scale=(480, 360))
stills = dict(
    num_frames=4,
    warp=dict(translate=0.25, rotate=20.0, scale=0.35, elastic=0.03, zoom=(1.0, 1.6)),
    copy_paste=dict(prob=0.7, max_objects=2),
)
train = dict(
    _delete_=True,
    dataset=dict(
        type="MixedClips",
        weights=[0.36, 0.08, 0.26, 0.2, 0.1],
        datasets=[
            dict(ann_file="stills/train.json", **{**_base_.shared, **stills}),
            dict(
                ann_file="stills_more/instances.json",
                **{**_base_.shared, **stills, "img_prefix": "stills_more/images"},
            ),
            dict(ann_file="stills/train_partial.json", **{**_base_.shared, **stills}),
            dict(
                type="YTVISClips",
                ann_file="SynthVIS/train/instances.json",
                img_prefix="SynthVIS/train/JPEGImages",
                categories=_base_.categories,
                category_map={"other object": ["*"]},
                num_frames=4,
                max_gap=12,
                pipeline=[
                    dict(type="ClipResize", scales=[(320, 192), (384, 216)]),
                    dict(type="ClipFlip", prob=0.5),
                ],
            ),
            dict(
                type="YTVISClips",
                ann_file="clips_train/instances.json",
                img_prefix="clips_train/JPEGImages",
                categories=_base_.categories,
                category_map={"person": ["person"], "other object": ["*"]},
                num_frames=4,
                max_gap=20,
                copy_paste=dict(prob=0.5),
                pipeline=[
                    dict(type="ClipResize", scales=[(320, 192), (384, 240), (416, 280)]),
                    dict(type="ClipColor"),
                    dict(type="ClipFlip", prob=0.5),
                ],
            ),
        ],
    ),
    batch_size=4,
    num_workers=0,
)
train_cfg = dict(max_iters=3000)
optim_wrapper = dict(
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.02),
    clip_grad=dict(max_norm=5),
    precision="bfloat16",
    paramwise_cfg=dict(bias_decay_mult=0.0, custom_keys=dict(log_=dict(decay_mult=0.0))),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=3000, eta_min_ratio=0.01),
]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=20),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=100, max_keep_ckpts=3),
)
custom_hooks = [dict(type="MovingAverageHook", decay=0.99)]
