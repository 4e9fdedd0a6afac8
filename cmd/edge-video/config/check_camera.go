package config

import (
	"fmt"
	"slices"
	"strings"
)

// cameraSchemes lists what a camera's URL may begin with; those of network protocols are followed by //.
func cameraSchemes() []string {
	return append(networkSchemes(), "file", "v4l2", "lavfi")
}

// networkSchemes begins with those that take a user name.
func networkSchemes() []string {
	return []string{"rtsp", "rtsps", "rtmp", "http", "https", "udp", "srt"}
}

func (k *checker) cameras() {
	if len(k.c.Cameras) == 0 {
		k.warn("cameras", "no camera is configured", "add one, unless this node only bridges or relays")
	}
	seen := map[string]string{}
	for i, cam := range k.c.Cameras {
		path := fmt.Sprintf("cameras[%d]", i)
		k.name(path+".id", cam.ID)
		if first, ok := seen[cam.ID]; ok && cam.ID != "" {
			k.fail(path+".id", fmt.Sprintf("%q is already the id of %s", cam.ID, first), "give every camera its own id")
		} else {
			seen[cam.ID] = path
		}
		k.cameraURL(path, cam)
		k.cameraPassword(path, cam)
		k.ownReading(path, cam.Reading)
		k.masks(path+".masks", cam)
		for _, key := range unused(cam.Mode) {
			if k.source.isGiven(path + "." + key) {
				k.warn(path+"."+key, "has no effect in mode "+cam.Mode, "remove it")
			}
		}
		k.transport(path+".rtsp_transport", cam)
	}
}

// transport warns of a transport for what has no choice of one.
func (k *checker) transport(path string, cam Camera) {
	scheme, _, _ := strings.Cut(string(cam.URL), ":")
	switch {
	case !k.source.isGiven(path) || scheme == "rtsp":
	case scheme == "rtsps":
		if cam.RTSPTransport != "tcp" {
			k.warn(path, "has no effect with rtsps, which is TCP", "write tcp")
		}
	default:
		k.warn(path, "has no effect with "+scheme, "remove it")
	}
}

// masks refuses rectangles that are not on the picture, and masks that nothing would draw.
func (k *checker) masks(path string, cam Camera) {
	if len(cam.Masks) > 0 && cam.Mode == ModeCopy {
		k.fail(path, "mode copy stores the camera's own encoding, in which nothing can be masked", "write mode: jpeg or keyframes, or remove masks")
	}
	for i, m := range cam.Masks {
		at := fmt.Sprintf("%s[%d]", path, i)
		k.span(at, "x", "width", m.X, m.Width)
		k.span(at, "y", "height", m.Y, m.Height)
	}
}

// span checks one direction of a mask. Sums of decimal fractions may pass 1 by a rounding error.
func (k *checker) span(path, from, length string, at, size float64) {
	switch {
	case !(at >= 0 && at < 1):
		k.fail(path+"."+from, fmt.Sprintf("%v is not from 0 to below 1", at), "write a fraction of the picture, as in 0.25")
	case !(size > 0 && size <= 1):
		k.fail(path+"."+length, fmt.Sprintf("%v is not above 0 and at most 1", size), "write a fraction of the picture, as in 0.25")
	case at+size > 1+1e-9:
		k.fail(path+"."+length, fmt.Sprintf("%s + %s is %v, beyond the picture", from, length, at+size), "make the two at most 1 together")
	}
}

func (k *checker) cameraURL(path string, cam Camera) {
	path += ".url"
	remedy := "begin with one of " + strings.Join(cameraSchemes(), " ") + ", as in rtsp://10.0.0.5/stream"
	if cam.URL == "" {
		k.fail(path, "is missing", remedy)
		return
	}
	scheme, rest, ok := strings.Cut(string(cam.URL), ":")
	switch {
	case !ok || !slices.Contains(cameraSchemes(), scheme):
		k.fail(path, fmt.Sprintf("%q has no scheme that works here", cam.URL), remedy)
	case slices.Contains(networkSchemes(), scheme):
		k.cameraHost(path, scheme, cam)
	case rest == "":
		k.fail(path, fmt.Sprintf("%q names nothing after the colon", cam.URL), "write it as in file:/path/clip.mp4, v4l2:/dev/video0 or lavfi:testsrc2")
	case scheme == "lavfi" && cam.Mode == ModeCopy:
		k.fail(path, "a made-up camera has no encoding to copy", "write mode: jpeg for it")
	case cam.Username != "":
		k.fail(parent(path)+".username", "has no use with "+scheme, "remove it")
	}
}

func (k *checker) cameraHost(path, scheme string, cam Camera) {
	u, ok := k.network(path, cam.URL, networkSchemes()...)
	if !ok {
		return
	}
	unhosted := scheme == "udp" || scheme == "srt" // both can listen, as in udp://:1234
	if u.Hostname() == "" && (!unhosted || u.Port() == "") {
		k.fail(path, fmt.Sprintf("%q has no host", cam.URL), "write the camera's address after //")
	}
	user := parent(path) + ".username"
	switch {
	case cam.Username == "":
	case unhosted:
		k.fail(user, "has no use with "+scheme, "remove it")
	case userinfo(u):
		k.fail(user, "credentials are given here and in the url", "keep one of the two, best username with password_file")
	}
}

func (k *checker) cameraPassword(path string, cam Camera) {
	k.plain(path+".url", cam.URL, "write username and password_file, url_file, or ${VAR}")
	if cam.Password == "" {
		return
	}
	if cam.Username == "" {
		k.fail(path+".password", "is given without a username", "add username")
	}
	if k.source.literal(path + ".password") {
		k.warn(path+".password", "stands in the file in plain text", "write password_file, or ${VAR}")
	}
}
