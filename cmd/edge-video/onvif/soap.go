package onvif

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Client asks devices. Its zero value has no credentials.
type Client struct {
	Username, Password string
	HTTP               *http.Client // nil is one that follows no redirections
}

const callTime = 5 * time.Second

// call asks a service and reads its answer's body. offset is how far the device's clock is ahead of ours.
func (c *Client) call(ctx context.Context, service, body string, offset time.Duration, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	text := `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">` +
		c.header(offset) + `<s:Body>` + body + `</s:Body></s:Envelope>`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, service, strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("asking %s: %w", service, err)
	}
	request.Header.Set("Content-Type", "application/soap+xml; charset=utf-8")
	answer, err := c.client().Do(request)
	if err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", service, err)
	}
	if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
		return ErrCredentials
	}
	var fault struct {
		Code    string `xml:"Body>Fault>Code>Value"`
		Subcode string `xml:"Body>Fault>Code>Subcode>Value"`
		Reason  string `xml:"Body>Fault>Reason>Text"`
	}
	if err := decode(b, &fault); err != nil {
		return fmt.Errorf("%s answers %s: %w", service, plain(answer.Status), err)
	}
	switch {
	case strings.Contains(fault.Subcode, "NotAuthorized"), strings.Contains(fault.Subcode, "FailedAuthentication"):
		return ErrCredentials
	case fault.Code != "" || answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: %s answers %s, %s %s", ErrAnswer, service, plain(answer.Status), plain(fault.Subcode), plain(fault.Reason))
	}
	return decode(b, into)
}

func (c *Client) client() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	// A redirection would take the credentials' digest to whom nobody asked.
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// header has the user's name token with a digest (WS-UsernameToken profile 1.1), nothing without a user.
func (c *Client) header(offset time.Duration) string {
	if c.Username == "" {
		return ""
	}
	nonce := make([]byte, 16)
	rand.Read(nonce) // never fails
	created := time.Now().Add(offset).UTC().Format("2006-01-02T15:04:05.000Z")
	const base = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
	return `<s:Header><w:Security s:mustUnderstand="1" xmlns:w="` + base + `wssecurity-secext-1.0.xsd" xmlns:u="` + base + `wssecurity-utility-1.0.xsd">` +
		`<w:UsernameToken><w:Username>` + escape(c.Username) + `</w:Username>` +
		`<w:Password Type="` + base + `username-token-profile-1.0#PasswordDigest">` + digest(nonce, created, c.Password) + `</w:Password>` +
		`<w:Nonce EncodingType="` + base + `soap-message-security-1.0#Base64Binary">` + base64.StdEncoding.EncodeToString(nonce) + `</w:Nonce>` +
		`<u:Created>` + created + `</u:Created></w:UsernameToken></w:Security></s:Header>`
}

// digest is Base64(SHA-1(nonce + created + password)), which the standard prescribes.
func digest(nonce []byte, created, password string) string {
	sum := sha1.Sum(append(append(bytes.Clone(nonce), created...), password...))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// escape makes text fit for an element or an attribute.
func escape(text string) string {
	var b strings.Builder
	// A builder takes everything.
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// ahead is how far the device's clock is ahead of ours: it refuses a token that was made long ago, or will be. 0 where it does not say.
func (c *Client) ahead(ctx context.Context, service string) time.Duration {
	var a struct {
		Date struct{ Year, Month, Day int }     `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime>Date"`
		Time struct{ Hour, Minute, Second int } `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime>Time"`
	}
	anonymous := Client{HTTP: c.HTTP} // anyone may ask
	const body = `<GetSystemDateAndTime xmlns="http://www.onvif.org/ver10/device/wsdl"/>`
	if err := anonymous.call(ctx, service, body, 0, &a); err != nil || a.Date.Year == 0 {
		return 0
	}
	at := time.Date(a.Date.Year, time.Month(a.Date.Month), a.Date.Day, a.Time.Hour, a.Time.Minute, a.Time.Second, 0, time.UTC)
	return time.Until(at)
}

// refusal tells whether a device wants credentials.
func refusal(err error) bool { return errors.Is(err, ErrCredentials) }
