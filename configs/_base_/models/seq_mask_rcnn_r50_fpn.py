# Seq Mask R-CNN with ResNet-50. Channels of the neck and of the propagation head follow from the backbone.
# num_classes is the number of categories plus one, for the background: 41 for YouTube-VIS, the same in both heads.
model = dict(
    type="SeqMaskRCNN",
    backbone=dict(type="ResNet", depth=50, frozen_stages=1, norm_eval=True),
    neck=dict(type="FPN", out_channels=256, num_outs=5),
    rpn_head=dict(
        type="RPNHead",
        feat_channels=256,
        scales=[8],
        ratios=[0.5, 1.0, 2.0],
        strides=[4, 8, 16, 32, 64],
    ),
    bbox_roi_extractor=dict(type="SingleRoIExtractor", output_size=7, sample_num=2, featmap_strides=[4, 8, 16, 32]),
    bbox_head=dict(type="SharedFCBBoxHead", num_classes=41, roi_size=7, fc_channels=1024),
    mask_roi_extractor=dict(type="SingleRoIExtractor", output_size=14, sample_num=2, featmap_strides=[4, 8, 16, 32]),
    mask_head=dict(type="FCNMaskHead", num_classes=41, num_convs=4, conv_channels=256),
    prop_head=dict(type="SeqPropHead", channels=256, key_channels=64, fuse_channels=512),
    test_cfg=dict(
        rpn=dict(nms_pre=200, nms_post=200, max_num=200, nms_thr=0.7),
        rcnn=dict(score_thr=0.2, nms_thr=0.5, max_per_img=10, mask_thr_binary=0.5),
    ),
)
