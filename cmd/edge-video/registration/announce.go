package registration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/edge-video/edge-video/bridge"
)

// maxAnswer is how much of an answer is read: all of what an API has to say to this, so that it sees an orderly end.
const maxAnswer = 64 << 10

// refusal is an answer that is no acceptance.
type refusal struct{ status int }

func (r *refusal) Error() string {
	return fmt.Sprintf("it answers %d %s", r.status, http.StatusText(r.status))
}

// kind is the class of a failure.
func kind(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return fmt.Sprint(r.status)
	}
	return string(bridge.FaultOf(err))
}

// announce tries once. Any answer of the 200s is an acceptance. Redirections are not followed: a token is for the address it was given
// for. The error does not hold what may be secret in the URL.
func (c *Config) announce(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("registration at %s: %w", c.URL, err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	body, err := json.Marshal(c.Announcement)
	if err != nil {
		return fmt.Errorf("writing the announcement: %w", err)
	}
	u, err := bridge.ParseURL(c.URL.Reveal(), "https://api.example/cameras", "http", "https")
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return errors.New("its address cannot be used")
	}
	request.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
	}
	certificates, err := c.TLS.Config(u.Hostname())
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: certificates, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		if inner := new(url.Error); errors.As(err, &inner) { // which repeats the URL
			return inner.Err
		}
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return &refusal{answer.StatusCode}
	}
	return nil
}
