package camera

// Apart is the same ffmpeg on a node of its own: what all readers of a node share is not shared with it.
func (f FFmpeg) Apart() FFmpeg {
	f.looking = make(chan struct{}, 1)
	return f
}
