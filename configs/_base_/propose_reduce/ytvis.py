# Propose-Reduce on YouTube-VIS: five key frames, every propagated frame is remembered, hard sequence NMS.
propose_reduce = dict(
    key_num=5,
    memory=dict(type="MemoryEveryNth", step=1),
    mask_nms_thr=0.2,
    reduce=dict(type="SeqNMS", iou_thr=0.5, score_thr=0.05),
)
