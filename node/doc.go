// Package node is a capture node: the embedded JetStream server with its streams, and the fleet of cameras whose frames go into it.
// DESIGN.md beside this file tells the flow, the guarantee and what happens in faults.
package node
