# Category-aware reduction: only near duplicates are removed at once, then soft NMS within each category.
# It takes effect with `--use-cate-reduce`.
_base_ = "./ytvis.py"
propose_reduce = dict(
    reduce=dict(iou_thr=0.9),
    cate_reduce=dict(type="SeqSoftNMS", iou_thr=0.5, score_thr=0.001, max_seq_num=100),
)
