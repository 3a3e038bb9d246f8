default_scope = "mmdet_vis"
