package render

// Stands reports whether decoders may stand by.
func Stands(r *Renderer) bool {
	r.standby.mu.Lock()
	defer r.standby.mu.Unlock()
	return r.standby.ctx != nil
}
