package config

import (
	"fmt"
	"slices"
	"strings"
)

// refusedInput lists options that would take from the node what it relies on: where FFmpeg reads and writes, what it says.
func refusedInput() []string {
	return []string{"i", "f", "y", "n", "stdin", "v", "loglevel", "stats", "progress", "report", "use_wallclock_as_timestamps", "copyts", "re", "readrate",
		"reinit_filter", "hwaccel", "hwaccel_output_format", "protocol_whitelist", "safe"}
}

// refusedOutput lists the same for the output, where the node also says which pictures come, in what form.
func refusedOutput() []string {
	return append(refusedInput(), "map", "c", "codec", "vcodec", "vf", "filter", "filter_complex", "lavfi", "r", "s", "fps_mode", "vsync", "enc_time_base", "vn",
		"flush_packets", "write_index")
}

// flags lists options of FFmpeg that take no value.
func flags() []string {
	return []string{"accurate_seek", "an", "autorotate", "bitexact", "dn", "ignore_unknown", "noaccurate_seek", "noautorotate", "nostdin", "seek_timestamp", "shortest", "sn",
		"start_at_zero", "hide_banner", "nostats", "copy_unknown"}
}

// arguments refuses what is no list of options with their values, and options that would break what the node relies on.
func (k *checker) arguments(path string, args []string, refused []string) {
	value := false // the next one may be a value
	for i, a := range args {
		at := fmt.Sprintf("%s[%d]", path, i)
		option := len(a) > 1 && a[0] == '-' && !strings.ContainsRune("0123456789.", rune(a[1]))
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "-"), ":")
		switch {
		case option:
			value = !slices.Contains(flags(), name)
			if slices.Contains(refused, name) {
				k.fail(at, "-"+name+" is what this program itself tells FFmpeg", "remove it, or use the key for it if there is one")
			}
		case !value:
			k.fail(at, fmt.Sprintf("%q would be an output of FFmpeg, since it belongs to no option", a), "write options alone, each with its value as the next entry")
		case a == "-" || strings.HasPrefix(a, "pipe:"):
			k.fail(at, fmt.Sprintf("%q would write into FFmpeg's output", a), "remove it")
		default:
			value = false
		}
	}
}
