// Package link watches a site's links to its hubs. Capture never waits for a link: what is wrong with one is told, in words that name both
// sides, and what can be done about it from here is done. A link that the server has given up though the hub can be reached is renewed; one
// that the hub refuses, or that would do harm, is kept down and tried again at growing intervals.
package link
