"""Other annotation formats brought into the YouTube-VIS format."""
