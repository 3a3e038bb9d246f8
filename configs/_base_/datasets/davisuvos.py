# DAVIS unsupervised: one category, frames at most 854x480 for the network.
_base_ = "./youtubevis19.py"
categories = "davis_uvos"
data_preprocessor = dict(img_scale=(854, 480))
