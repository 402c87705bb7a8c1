// Package kube drives Kubernetes objects of any kind: server-side apply, a wait
// until the object is really ready, the live object as outputs, and a delete
// that returns when the object and its pods are gone.
//
// The engine calls Provider for every resource whose type is a Kubernetes one
// (apps/v1/Deployment). Connect is how all of Drover reaches a cluster: by the
// endpoint and certificate of the EKS cluster, and a token.
package kube

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// TokenSource makes a bearer token for a cluster, good until it expires.
type TokenSource func(ctx context.Context, cluster string) (token string, expires time.Time, err error)

// The client's own limit on requests, in requests per second. The default of 5
// makes a move of a hundred pods crawl; the API server has a limit of its own.
const (
	queriesPerSecond = 100
	queryBurst       = 200
)

// Connect makes the client configuration for a resource's Conn: {"cluster",
// "endpoint", "ca"}. It calls nothing.
func Connect(conn plan.Props, token TokenSource) (*rest.Config, error) {
	cluster, _ := conn["cluster"].(string)
	endpoint, _ := conn["endpoint"].(string)
	encoded, _ := conn["ca"].(string)
	if endpoint == "" {
		return nil, &problem.Error{Kind: problem.Usage, Op: "connect to Kubernetes",
			Err: errors.New("the resource does not say which cluster it belongs to"),
			Fix: "give it a cluster, by a cluster: section or conn: {cluster, endpoint, ca}"}
	}
	ca, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("connect to cluster %s: decode its certificate authority: %w", cluster, err)
	}
	return &rest.Config{
		Host:            endpoint,
		TLSClientConfig: rest.TLSClientConfig{CAData: ca},
		UserAgent:       "drover",
		QPS:             queriesPerSecond,
		Burst:           queryBurst,
		WrapTransport: func(next http.RoundTripper) http.RoundTripper {
			return &bearer{next: next, source: token, cluster: cluster}
		},
	}, nil
}

// renewBefore is how long before its end a token is not used any more: more
// than a request takes, and more than clocks differ.
const renewBefore = time.Minute

// errNoToken is a failure before any request: the caller's credentials are at fault.
var errNoToken = errors.New("no token for the cluster")

// bearer adds a token to each request, keeps it while it is good, and makes
// another when the server refuses it.
type bearer struct {
	next    http.RoundTripper
	source  TokenSource
	cluster string

	mu      sync.Mutex
	token   string
	expires time.Time
}

// RoundTrip sends a request once more if its token was refused.
func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := b.current(req.Context(), "")
	if err != nil {
		return nil, err
	}
	resp, err := b.next.RoundTrip(withToken(req, token))
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	again := withToken(req, token)
	if req.Body != nil {
		if req.GetBody == nil {
			return resp, nil
		}
		if again.Body, err = req.GetBody(); err != nil {
			return resp, nil // the refusal is the better answer
		}
	}
	fresh, err := b.current(req.Context(), token)
	if err != nil {
		return resp, nil
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096)) // so that the connection can be used again
	_ = resp.Body.Close()
	again.Header.Set("Authorization", "Bearer "+fresh)
	return b.next.RoundTrip(again)
}

func withToken(req *http.Request, token string) *http.Request {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}

// current is a token that is good for a while and is not the refused one.
func (b *bearer) current(ctx context.Context, refused string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.token != "" && b.token != refused && time.Until(b.expires) > renewBefore {
		return b.token, nil
	}
	token, expires, err := b.source(ctx, b.cluster)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoToken, err)
	}
	b.token, b.expires = token, expires
	return token, nil
}
