package redis

import (
	"encoding/binary"
	"hash/crc64"
)

// setProbe stores a frame as one that was last read a while ago. Redis tells only how many seconds ago that was, so that a frame which
// is read at once looks like one that nobody reads; here, any read shows. SET comes first for those who listen to its notifications.
const setProbe = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('RESTORE', KEYS[1], ARGV[2], ARGV[4] .. ARGV[1] .. ARGV[5], 'REPLACE', 'IDLETIME', ARGV[3])
return 'OK'`

// dumpVersion is of the dump format; servers take those up to their own.
const dumpVersion = 6

// jones is the checksum's polynomial, its bits reversed.
const jones = 0x95ac9329ac4bc9b5

// dump is what stands before and behind a string to make it what DUMP replies.
func dump(data []byte) (head, tail []byte) {
	head = append(head, 0) // a string
	switch n := len(data); {
	case n < 1<<6:
		head = append(head, byte(n))
	case n < 1<<14:
		head = append(head, 1<<6|byte(n>>8), byte(n))
	default:
		head = binary.BigEndian.AppendUint32(append(head, 1<<7), uint32(n))
	}
	tail = binary.LittleEndian.AppendUint16(nil, dumpVersion)
	table, sum := crc64.MakeTable(jones), ^uint64(0)
	for _, part := range [][]byte{head, data, tail} {
		sum = crc64.Update(sum, table, part)
	}
	return head, binary.LittleEndian.AppendUint64(tail, ^sum)
}
