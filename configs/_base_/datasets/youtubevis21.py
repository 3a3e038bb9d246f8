# YouTube-VIS 2021: the same frames and number of categories as 2019, other names.
_base_ = "./youtubevis19.py"
categories = "youtube_vis_2021"
