package render

// cacheBytes bounds the pictures that are kept; the one that nobody has asked for longest goes first.
const cacheBytes = 32 << 20

// cache keeps the last pictures made. It is used under a lock.
type cache struct {
	pictures map[stillKey][]byte
	order    []stillKey // the last one used last
	size     int
}

func (c *cache) get(key stillKey) []byte {
	jpeg := c.pictures[key]
	if jpeg != nil {
		c.touch(key)
	}
	return jpeg
}

func (c *cache) put(key stillKey, jpeg []byte) {
	if c.pictures == nil {
		c.pictures = map[stillKey][]byte{}
	}
	c.pictures[key] = jpeg
	c.order = append(c.order, key)
	for c.size += len(jpeg); c.size > cacheBytes; c.order = c.order[1:] {
		c.size -= len(c.pictures[c.order[0]])
		delete(c.pictures, c.order[0])
	}
}

func (c *cache) touch(key stillKey) {
	for i, k := range c.order {
		if k == key {
			copy(c.order[i:], c.order[i+1:])
			c.order[len(c.order)-1] = key
			return
		}
	}
}
