// Package sinktest is the behaviour that every sink of a bridge has in common, as a suite of tests run against the sink's real
// broker.
package sinktest
