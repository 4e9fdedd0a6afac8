// Package bridge takes frames out of JetStream and hands them to a [Sink], each frame at least once and first arrivals in order.
// DESIGN.md beside this file tells the flow, the guarantee and when duplicates occur.
package bridge
