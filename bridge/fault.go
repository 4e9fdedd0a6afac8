package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// Fault is why a sink does not take frames: a word for metrics, events and people that does not change with the broker's own texts.
type Fault string

// Faults of a sink.
const (
	FaultRefused     Fault = "refused"     // nothing listens at the address
	FaultTimeout     Fault = "timeout"     // no answer in time
	FaultLost        Fault = "lost"        // the connection ended
	FaultUnknownHost Fault = "no_host"     // the name has no address, or the address no route
	FaultTLS         Fault = "tls"         // certificates or protocol versions do not match
	FaultCredentials Fault = "credentials" // user or password is wrong
	FaultPermission  Fault = "permission"  // the user may not do this
	FaultMissing     Fault = "missing"     // a vhost, database or exchange does not exist
	FaultConflict    Fault = "conflict"    // something of this name exists and is of another kind
	FaultBlocked     Fault = "blocked"     // the broker takes no messages now: an alarm of memory or disk
	FaultFull        Fault = "full"        // the server's memory, or a queue, is used up
	FaultReadOnly    Fault = "read_only"   // the server is a replica
	FaultLoading     Fault = "loading"     // the server is starting
	FaultOther       Fault = "other"
	FaultHeld        Fault = "held" // none: the bridge is held by request, see [Worker.Hold]
)

// SinkFault is a fault with its cause. It wraps [ErrNotConnected].
type SinkFault struct {
	Fault Fault
	Err   error
}

func (f *SinkFault) Error() string { return fmt.Sprintf("%s: %v", f.Fault, f.Err) }

// Unwrap makes every fault of a sink an ErrNotConnected too.
func (f *SinkFault) Unwrap() []error { return []error{ErrNotConnected, f.Err} }

// FaultOf is the class of an error that a sink returned: that of a [SinkFault], else what the network's own errors say.
func FaultOf(err error) Fault {
	var known *SinkFault
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &known):
		return known.Fault
	case errors.Is(err, errHeld):
		return FaultHeld
	case ofTLS(err):
		return FaultTLS
	case errors.Is(err, errHung), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return FaultTimeout
	case errors.As(err, &dns), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return FaultUnknownHost
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return FaultRefused
	case errors.As(err, &timeout) && timeout.Timeout():
		return FaultTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE):
		return FaultLost
	}
	return FaultOther
}

// ofTLS reports whether certificates or protocol versions kept the two ends from talking. An alert is of an unexported type within the
// network's own.
func ofTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var alert *net.OpError
	return errors.As(err, &certificate) || errors.As(err, &plain) ||
		errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error")
}
