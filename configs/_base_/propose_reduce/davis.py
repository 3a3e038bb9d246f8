# Propose-Reduce on DAVIS: eight key frames, about ten remembered frames, soft sequence NMS, at most 20 objects.
propose_reduce = dict(
    key_num=8,
    memory=dict(type="MemoryFraction", num=10),
    mask_nms_thr=0.2,
    reduce=dict(type="SeqSoftNMS", iou_thr=0.5, score_thr=0.001, max_seq_num=20),
)
