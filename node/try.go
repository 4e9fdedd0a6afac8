package node

// Payload is the payload limit in bytes that the embedded server would have. It reads nats.config and the sites as a start does, and
// fails where a start would.
func (c *ServerConfig) Payload() (int, error) {
	sites, err := ReadSites(c.DataDir)
	if err != nil {
		return 0, err
	}
	own, err := newUsers()
	if err != nil {
		return 0, err
	}
	o, err := c.options(own, sites, func(error) {})
	if err != nil {
		return 0, err
	}
	return int(o.MaxPayload), nil
}
