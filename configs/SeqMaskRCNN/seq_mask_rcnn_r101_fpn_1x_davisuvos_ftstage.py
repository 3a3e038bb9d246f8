# ResNet-101 on DAVIS-UVOS (unsupervised video object segmentation): one category.
_base_ = [
    "../_base_/models/seq_mask_rcnn_r101_fpn.py",
    "../_base_/datasets/davisuvos.py",
    "../_base_/propose_reduce/davis.py",
    "../_base_/schedules/ftstage.py",
    "../_base_/runtime.py",
]
model = dict(bbox_head=dict(num_classes=2), mask_head=dict(num_classes=2))
train = dict(batch_size=2, base_batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=0.0005 * 4 / 6))
load_from = "pretrained/seq_mask_rcnn_r101_davis_mainstage.pth"
