"""A camera for tests: an RTSP server with one made-up or recorded live stream, shared by all who watch it."""
import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def has(element):
    return Gst.ElementFactory.find(element) is not None


def made_up(o):
    """The launch line of a moving test picture in the wanted codec."""
    x26x = f"tune=zerolatency speed-preset=ultrafast key-int-max={o.gop} bitrate={o.kbps}"
    # The payloader puts parameter sets ahead of every slice of a keyframe, which is wrong for any but the first: one slice each.
    whole = "sliced-threads=false"
    encoder = {
        "h264": f"x264enc {x26x} {whole} ! rtph264pay name=pay0 pt=96 config-interval=-1",
        "h265": f"x265enc {x26x} ! rtph265pay name=pay0 pt=96 config-interval=-1",
        "mjpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
    }[o.codec]
    clock = "timeoverlay ! " if has("timeoverlay") else ""
    size = f"width={o.width},height={o.height},framerate={o.fps}/1"
    return f"( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,{size} ! {clock}{encoder} )"


class Recorded(GstRtspServer.RTSPMediaFactory):
    """Plays access units of an Annex-B file over and over, one each 1/fps s, at next to no cost."""

    def __init__(self, path, fps):
        super().__init__()
        delimiter = b"\x00\x00\x00\x01\x09"  # begins every access unit
        with open(path, "rb") as f:
            units = f.read().split(delimiter)[1:]
        self.units = [Gst.Buffer.new_wrapped(delimiter + u) for u in units]
        self.fps = fps
        self.set_launch(
            f"( appsrc name=src is-live=true format=time caps=video/x-h264,stream-format=byte-stream,alignment=au,framerate={fps}/1"
            " ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        )
        self.connect("media-configure", self.configure)

    def configure(self, _, media):
        src = media.get_element().get_by_name("src")
        state = {"n": 0, "start": GLib.get_monotonic_time()}

        def push():
            # catches up after a late wake-up, so that the rate holds in the long run
            due = (GLib.get_monotonic_time() - state["start"]) * self.fps // 1_000_000
            while state["n"] <= due:
                buffer = self.units[state["n"] % len(self.units)].copy()
                buffer.pts = state["n"] * Gst.SECOND // self.fps
                buffer.duration = Gst.SECOND // self.fps
                state["n"] += 1
                if src.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return False
            return True

        timer = GLib.timeout_add(max(1, 500 // self.fps), push)
        media.connect("unprepared", lambda _: GLib.source_remove(timer))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--port", required=True)
    p.add_argument("--codec", default="h264")
    p.add_argument("--width", type=int, default=640)
    p.add_argument("--height", type=int, default=360)
    p.add_argument("--fps", type=int, default=10)
    p.add_argument("--gop", type=int, default=20)
    p.add_argument("--kbps", type=int, default=1000)
    p.add_argument("--file", default="")
    o = p.parse_args()
    Gst.init(None)
    if o.file:
        factory = Recorded(o.file, o.fps)
    else:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(made_up(o))
    factory.set_shared(True)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(o.port)
    server.get_mount_points().add_factory("/stream1", factory)
    if server.attach(None) == 0:
        raise SystemExit(f"port {o.port} is taken")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main()
