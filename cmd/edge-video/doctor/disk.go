package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/edge-video/edge-video/node"
)

// Bounds of the disk's test: so much is written, and for so long, each whichever comes first.
const (
	diskBytes = 64 << 20
	diskTime  = 2 * time.Second
	diskChunk = 1 << 20
	diskSyncs = 8
)

// DiskNeeds is what a node wants of the disk of its data directory.
type DiskNeeds struct {
	Dir         string
	StreamBytes int64   // what the streams may hold
	Rate        float64 // bytes a second that are stored
	Frames      float64 // a second
	SyncAlways  bool    // each frame is written through to the disk
}

// Disk looks at room and speed.
func Disk(n DiskNeeds) Check {
	return func(ctx context.Context) []Finding {
		disk, err := node.DiskOf(n.Dir)
		if err != nil {
			return []Finding{{Area: "disk", Of: n.Dir, Status: Fail, What: err.Error(), Remedy: "give data_dir a disk that can be read"}}
		}
		return []Finding{n.space(disk), n.speed(ctx, disk)}
	}
}

func (n *DiskNeeds) space(disk node.Disk) Finding {
	used, err := bytesUnder(filepath.Join(n.Dir, "jetstream"))
	f := Finding{Area: "disk", Of: n.Dir, Status: OK, Figures: map[string]any{"free_bytes": disk.Free, "total_bytes": disk.Total,
		"stream_bytes": used}}
	more := n.StreamBytes - used
	f.What = fmt.Sprintf("%d MiB free of %d MiB; the streams hold %d MiB of at most %d MiB", disk.Free>>20, disk.Total>>20, used>>20,
		n.StreamBytes>>20)
	switch {
	case err != nil:
		f.Status, f.What, f.Remedy = Fail, err.Error(), "run it as the user that runs the node"
	case disk.Free < disk.Floor:
		f.Status, f.Remedy = Fail, fmt.Sprintf("make room: less than %d MiB is free, and the streams cannot be written", disk.Floor>>20)
	case more > disk.Free-disk.Floor:
		f.Status, f.Remedy = Warn, fmt.Sprintf("make room, or lower stream.max_bytes by %d MiB: the disk is full before the streams are",
			(more-disk.Free+disk.Floor)>>20+1)
	}
	return f
}

// bytesUnder is the size of all files under a folder, 0 where there is none. A file that goes away meanwhile does not count.
func bytesUnder(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil && d.Type().IsRegular() {
			if info, err = d.Info(); err == nil {
				sum += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return sum, fmt.Errorf("looking at what the streams hold: %w", err)
	}
	return sum, nil
}

func (n *DiskNeeds) speed(ctx context.Context, disk node.Disk) Finding {
	f := Finding{Area: "disk", Of: "speed", Status: OK}
	if disk.Free < disk.Floor+diskBytes {
		f.Status, f.What, f.Remedy = Warn, "not measured: the disk is nearly full", "make room and ask again"
		return f
	}
	rate, sync, err := writeSpeed(ctx, n.Dir)
	if err != nil {
		f.Status, f.What = Fail, err.Error()
		f.Remedy = "make data_dir, or give it to the user that runs the node, who must be able to write there"
		return f
	}
	f.Figures = map[string]any{"bytes_per_second": int64(rate), "fsync_seconds": sync.Seconds(), "needed_bytes_per_second": int64(n.Rate)}
	f.What = fmt.Sprintf("writes %.0f MB/s with fsync, a small fsync takes %s; the cameras need about %.1f MB/s", rate/1e6,
		sync.Round(10*time.Microsecond), n.Rate/1e6)
	busy := n.Frames * sync.Seconds() // of each second, spent waiting
	switch {
	case rate < n.Rate:
		f.Status, f.Remedy = Fail, "use a faster disk, or fewer, smaller or lower-quality pictures"
	case n.SyncAlways && busy > 1:
		f.Status = Fail
		f.Remedy = fmt.Sprintf("%.0f frames a second cannot each wait for the disk: use stream.sync 2s, or a disk with a faster fsync", n.Frames)
	case rate < 3*n.Rate || n.SyncAlways && busy > 0.5:
		f.Status = Warn
		f.Remedy = "little is left for bridges that read meanwhile, and for catching up: use a faster disk, or fewer or smaller pictures"
	}
	return f
}

// writeSpeed measures in a file without a name, in dir or the nearest folder above it that exists.
func writeSpeed(ctx context.Context, dir string) (rate float64, sync time.Duration, err error) {
	dir, err = existing(dir)
	if err != nil {
		return 0, 0, err
	}
	file, err := os.CreateTemp(dir, ".edge-video-doctor-")
	if err != nil {
		return 0, 0, fmt.Errorf("writing in %s: %w", dir, err)
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return 0, 0, fmt.Errorf("writing in %s: %w", dir, err)
	}
	chunk := make([]byte, diskChunk)
	for i := range chunk {
		chunk[i] = byte(uint64(i) * 2654435761 >> 13) // what a disk that compresses cannot shrink
	}
	written, began := 0, time.Now()
	for written < diskBytes && time.Since(began) < diskTime && ctx.Err() == nil {
		n, err := file.Write(chunk)
		if err == nil && written%(8*diskChunk) == 0 {
			err = file.Sync()
		}
		if written += n; err != nil {
			return 0, 0, fmt.Errorf("writing in %s: %w", dir, err)
		}
	}
	if err := file.Sync(); err != nil {
		return 0, 0, fmt.Errorf("writing in %s: %w", dir, err)
	}
	rate = float64(written) / time.Since(began).Seconds()
	var syncs []time.Duration
	for began := time.Now(); len(syncs) < diskSyncs && time.Since(began) < diskTime; {
		at := time.Now()
		if _, err := file.WriteAt(chunk[:4096], int64(len(syncs)*4096)); err != nil {
			return 0, 0, fmt.Errorf("writing in %s: %w", dir, err)
		}
		if err := file.Sync(); err != nil {
			return 0, 0, fmt.Errorf("writing in %s: %w", dir, err)
		}
		syncs = append(syncs, time.Since(at))
	}
	slices.Sort(syncs)
	return rate, syncs[len(syncs)/2], ctx.Err()
}

// existing is dir, or the nearest folder above it that exists.
func existing(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", dir, err)
	}
	for {
		_, err := os.Stat(dir)
		if parent := filepath.Dir(dir); (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) && parent != dir {
			dir = parent
			continue
		}
		if err != nil {
			return "", fmt.Errorf("looking at %s: %w", dir, err)
		}
		return dir, nil
	}
}
