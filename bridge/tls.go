package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TLS is what both ends of a sink's encrypted connection prove themselves with. Files are PEM.
type TLS struct {
	CA               string // file of certificates that are trusted in place of the system's; "" is the system's
	Certificate, Key string // files of our own; both or neither
	ServerName       string // that the broker's certificate must bear; "" is the address' host
}

// Config reads the files, anew with each connection: certificates are renewed in place. host is the address' host. The error is a
// [SinkFault] of class [FaultTLS] and names the file.
func (t TLS) Config(host string) (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, &SinkFault{FaultTLS, fmt.Errorf("reading the certificates to trust: %w", err)}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &SinkFault{FaultTLS, fmt.Errorf("%s holds no certificate in PEM", t.CA)}
		}
	}
	if t.Certificate != "" {
		own, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, &SinkFault{FaultTLS, fmt.Errorf("reading certificate %s with key %s: %w", t.Certificate, t.Key, err)}
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}

// AfterHandshake is the error of the first exchange over an encrypted connection. In TLS 1.3 a broker looks at our certificate when the
// handshake is over for us, and its answer may not get through: so a connection that ends there is a fault of TLS.
func AfterHandshake(err error) error {
	if FaultOf(err) != FaultLost {
		return err
	}
	return &SinkFault{FaultTLS, fmt.Errorf("the broker may not accept our certificate, or wants one: %w", err)}
}
