# Last part of the default model's training: the propagation head alone, on the features of the finished detector; see
# scripts/default_model/train.sh.
_base_ = "./seq_mask_rcnn_mobilenetv2_fpn_stills.py"
model = dict(
    backbone=dict(frozen_stages=4),
    train_cfg=dict(prop=dict(only=True, true_mask_share=0.4, bce_weight=2.0, max_objects=3)),
)
stills = {
    **_base_.shared,
    **dict(
        num_frames=4,
        scales=[(320, 216), (384, 240), (416, 280)],
        warp=dict(translate=0.25, rotate=20.0, scale=0.35, elastic=0.03, zoom=(1.0, 1.6)),
        copy_paste=dict(prob=0.7, max_objects=2),
        min_pixels=48,
        pipeline=[dict(type="ClipColor"), dict(type="ClipBlur"), dict(type="ClipFlip", prob=0.5)],
    ),
}
train = dict(
    _delete_=True,
    dataset=dict(
        type="MixedClips",
        weights=[0.32, 0.08, 0.2, 0.25, 0.15],
        datasets=[
            dict(ann_file="stills/train.json", img_prefix="stills/images", **stills),
            dict(ann_file="stills_more/instances.json", img_prefix="stills_more/images", **stills),
            dict(ann_file="stills/train_partial.json", img_prefix="stills/images", **stills),
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
                category_map={"other object": ["*"]},  # the head does not ask for categories
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
    batch_size=2,
    num_workers=0,
)
load_from = "work_dirs/default_model/labelled/iter_1700.pth"
train_cfg = dict(max_iters=10000)
optim_wrapper = dict(
    _delete_=True,
    optimizer=dict(type="AdamW", lr=7e-4, weight_decay=0.02),
    clip_grad=dict(max_norm=5),
    precision="bfloat16",
    paramwise_cfg=dict(bias_decay_mult=0.0, custom_keys=dict(log_=dict(decay_mult=0.0))),
)
custom_hooks = [dict(type="MovingAverageHook", decay=0.995)]
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=10000, eta_min_ratio=0.0),
]
