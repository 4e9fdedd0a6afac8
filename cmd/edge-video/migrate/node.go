package migrate

import (
	"fmt"
	"strconv"
)

// registration has the node announced where it was. The namespace is the broker's virtual host where none is given.
func (c *converter) registration(section, key, namespace string) {
	if !c.old.truth(section + ".enabled") {
		c.off(section, "Not in use: "+section+".enabled was not true")
		return
	}
	address := c.old.text(section + "." + key)
	if address == "" {
		c.old.fail(section+"."+key, "is missing", "write the address of the API, or enabled: false")
		return
	}
	c.page.WriteString("\n")
	c.page.comment(0, "What is announced is what it was, without users and passwords in URLs; certificates are verified.")
	c.page.section(0, "registration")
	c.address(2, section+"."+key, address, "registration")
	if namespace != "" {
		c.page.set(2, "namespace", namespace)
	}
}

// metrics has them served at the port that they had; 0 is the default.
func (c *converter) metrics(port int) {
	if port == 0 {
		return
	}
	c.page.WriteString("\n")
	c.page.comment(0, fmt.Sprintf("Metrics, as they were on port %d. They were open to everyone; for that write listen: ':%d' and insecure: true.", port, port))
	c.page.section(0, "http")
	c.page.set(2, "listen", fmt.Sprintf("127.0.0.1:%d", port))
}

// port is that of a key.
func (c *converter) port(key string, otherwise int) int {
	n, ok := c.old.number(key)
	switch {
	case !ok || n == 0:
		return otherwise
	case n < 1 || n > 65535:
		c.old.fail(key, "is not a port from 1 to 65535", "write "+strconv.Itoa(otherwise))
		return otherwise
	}
	return int(n)
}
