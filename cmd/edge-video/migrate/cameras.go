package migrate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edge-video/edge-video/schema"
)

// camera is one that is in both files.
type camera struct {
	at         string // its key in the old file, as in cameras[0]
	old, id    string // its id in each
	exchange   string // its own, "" for that of all
	routingKey string // the same
}

// schemes lists those that carry a user's name and password apart from the address.
func schemes() []string { return []string{"rtsp", "rtsps", "rtmp", "http", "https"} }

// writeCameras writes the list of cameras and remembers their ids.
func (c *converter) writeCameras() {
	list := c.old.entries("cameras")
	if len(list) == 0 {
		c.page.WriteString("\n")
		c.note(0, "The old file names no camera.")
		return
	}
	c.page.WriteString("\n")
	c.page.section(0, "cameras")
	for _, at := range list {
		c.writeCamera(at)
	}
}

func (c *converter) writeCamera(at string) {
	cam := camera{at: at, old: c.old.text(at + ".id"), exchange: c.old.text(at + ".exchange"), routingKey: c.old.text(at + ".routing_key")}
	address := c.old.text(at + ".url")
	if name := c.old.text(at + ".name"); name != "" && name != cam.old {
		c.page.comment(2, name)
	}
	cam.id = c.newID(at, cam.old)
	c.cameras = append(c.cameras, cam)
	c.page.WriteString("  - ")
	c.page.set(0, "id", cam.id)
	c.writeAddress(at, cam.id, address)
}

// newID is the camera's id, or the nearest that is allowed and free.
func (c *converter) newID(at, id string) string {
	taken := func(id string) bool { return slices.ContainsFunc(c.cameras, func(o camera) bool { return o.id == id }) }
	if schema.ValidName(id) && !taken(id) {
		return id
	}
	valid := strings.Trim(strings.Map(func(r rune) rune {
		if r < 0x80 && schema.ValidName(string(r)) {
			return r
		}
		return '-'
	}, id), "-")
	if valid == "" {
		valid = "camera"
	}
	valid = unused(valid[:min(len(valid), 56)], "-", taken)
	switch {
	case id == "":
		c.old.fail(at+".id", "is missing", "give the camera a name of its own")
	case schema.ValidName(id):
		c.note(2, fmt.Sprintf("Was %s, which another camera has: its frames now come under this name.", id))
	default:
		c.note(2, fmt.Sprintf("Was %s; ids hold 1 to 64 of A-Z a-z 0-9 _ - alone, and Redis keys and headers bear this one.", id))
	}
	return valid
}

// writeAddress writes where a camera is found, what is secret elsewhere.
func (c *converter) writeAddress(at, id, text string) {
	key := at + ".url"
	text = strings.TrimSpace(text)
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case text == "":
		c.old.fail(key, "is missing", "write the camera's address, as in rtsp://10.0.0.5/stream")
		return
	case strings.HasPrefix(text, "/dev/"):
		text = "v4l2:" + text
	case ok && strings.EqualFold(scheme, "file"):
		text = "file:" + rest
	case ok:
		text = strings.ToLower(scheme) + "://" + rest
	case strings.HasPrefix(text, "/"):
		text = "file:" + text
	}
	own := address{url: text}
	if slices.Contains(schemes(), strings.ToLower(scheme)) {
		own = splitUser(text)
	}
	if hidden(own.url) {
		c.secrets.put(&c.page, 4, "url", key, own.url, "camera", id, "url")
	} else {
		c.page.set(4, "url", own.url)
	}
	if own.user != "" {
		c.page.set(4, "username", own.user)
	}
	switch {
	case own.password != "" && own.user != "":
		c.secrets.put(&c.page, 4, "password", key, own.password, "camera", id, "password")
	case own.password != "":
		c.old.fail(key, "holds a password without a user", "write it as in rtsp://user:password@10.0.0.5/stream")
	}
}
