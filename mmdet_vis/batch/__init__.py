"""Many videos on many machines: one worker that knows no engine, and engines that know no video."""
