// Package ready waits for servers that are starting: the launcher for the
// whole sandbox, the control plane for its own API server, the supervisor
// before it says that a cluster exists.
package ready

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"
)

// rhythm is the pause between two questions, patience how long one may take.
const (
	rhythm   = 50 * time.Millisecond
	patience = 2 * time.Second
)

// Client trusts the certificate authority, PEM encoded. It opens a connection
// for each question: one that was made to a server that is gone tells nothing.
func Client(ca []byte) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
}

// Await returns when url answers 200, or the cause of ctx's end. It calls
// waiting, which may be nil, after each question that had another answer.
func Await(ctx context.Context, client *http.Client, url string, waiting func()) error {
	for !answers(ctx, client, url) {
		if waiting != nil {
			waiting()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(rhythm):
		}
	}
	return nil
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
