package node

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Disk is the space on the file system of a directory, in bytes.
type Disk struct {
	Free, Total int64
	// Floor is how much must be free for the stream to be written: a hundredth of the disk, at least four of the blocks that
	// JetStream writes, at most 1 GiB.
	Floor int64
}

// DiskOf looks at the file system that holds dir, or will hold it where it does not exist yet.
func DiskOf(dir string) (Disk, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Disk{}, fmt.Errorf("finding the disk of %s: %w", dir, err)
	}
	for {
		var st syscall.Statfs_t
		err := syscall.Statfs(dir, &st)
		if err == nil {
			unit := int64(st.Bsize)
			d := Disk{Free: int64(st.Bavail) * unit, Total: int64(st.Blocks) * unit}
			d.Floor = min(max(d.Total/100, 32<<20), 1<<30)
			return d, nil
		}
		if parent := filepath.Dir(dir); os.IsNotExist(err) && parent != dir {
			dir = parent
			continue
		}
		return Disk{}, fmt.Errorf("looking at the disk of %s: %w", dir, err)
	}
}
