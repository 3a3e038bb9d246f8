# ResNet-50 on YouTube-VIS 2019.
_base_ = [
    "../_base_/models/seq_mask_rcnn_r50_fpn.py",
    "../_base_/datasets/youtubevis19.py",
    "../_base_/propose_reduce/ytvis.py",
    "../_base_/schedules/ftstage.py",
    "../_base_/runtime.py",
]
train = dict(batch_size=5, base_batch_size=20)
load_from = "pretrained/seq_mask_rcnn_r50_ytv19_mainstage.pth"
