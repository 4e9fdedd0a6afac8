// Package schema holds the words that every part of edge-video shares on the wire: frames with their subjects, headers and
// identities, the streams and buckets that hold them, events, and the states kept in the key-value buckets.
//
// It depends on the standard library alone, so that any Go program can import it to read frames. Versions only add: what an
// older version wrote keeps decoding, which the golden files in testdata hold.
package schema
