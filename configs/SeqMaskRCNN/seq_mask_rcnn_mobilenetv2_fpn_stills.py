# The default model: MobileNetV2 as it was trained on COCO detection, with narrow neck and heads. This part of its
# training teaches the detector alone, on single stills at a high rate; see scripts/default_model/train.sh.
_base_ = [
    "../_base_/models/seq_mask_rcnn_r50_fpn.py",
    "../_base_/datasets/coco_stills19.py",
    "../_base_/propose_reduce/ytvis.py",
    "../_base_/runtime.py",
]
model = dict(
    backbone=dict(_delete_=True, type="TimmBackbone", model_name="mobilenetv2_100", pad_type="same", frozen_stages=2),
    neck=dict(out_channels=96, lateral_gain=0.3),
    rpn_head=dict(feat_channels=96, scales=[4]),
    bbox_roi_extractor=dict(finest_scale=28),
    mask_roi_extractor=dict(finest_scale=28),
    bbox_head=dict(num_classes=20, fc_channels=256, class_agnostic=True),
    mask_head=dict(num_classes=20, num_convs=3, conv_channels=96, class_agnostic=True),
    prop_head=dict(_delete_=True, type="LightPropHead"),
    train_cfg=dict(
        rcnn=dict(num=48),
    ),
    test_cfg=dict(rcnn=dict(score_thr=0.3, cross_nms_thr=0.6, max_per_img=20)),
)
# A memory of four frames, what is covered is not carried again,
# parts inside a better object of their category are dropped, a pixel is one person's, and a score says how often it is
# right.
propose_reduce = dict(
    memory=dict(_delete_=True, type="MemoryFirstLastDistinct", size=4, step=3),
    skip_covered_iou=0.6,
    containment=dict(type="DropContained", inside_thr=0.9),
    overlaps=dict(type="DivideOverlaps"),
    # Fitted on the 60 held-out stills: benchmarks/stills.py --fit.
    calibration=dict(type="PlattScores", slope=0.915, offset=-1.498),
)
# How it is used unless the user says it, by the API, the commands and the page alike.
recommended = dict(
    precision=dict(cpu="auto", cuda="auto"),
    profile="fast",
    score_thr=0.01,
    # A clip that holds one small swan has a best score of 0.1; see pretrained/README.md.
    show_thr=0.45,
    show_share=0.5,
    show_least=0.05,
)
load_from = "pretrained/mobilenet_v2_coco_backbone.safetensors"
train_cfg = dict(max_iters=1000)
optim_wrapper = dict(
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.03),
    clip_grad=dict(max_norm=10),
    precision="bfloat16",
    paramwise_cfg=dict(
        custom_keys={"backbone": dict(lr_mult=0.1)},
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
    ),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, by_epoch=False, begin=0, end=60),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=60, end=2000, eta_min_ratio=0.02),
]
custom_hooks = [dict(type="MovingAverageHook", decay=0.99)]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=20),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=100, max_keep_ckpts=3),
)
