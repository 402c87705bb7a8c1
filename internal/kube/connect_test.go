package kube

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// A token is made once and kept, renewed when the server refuses it, and the
// refused request is sent again with its body.
func TestTokenIsKeptAndRenewed(t *testing.T) {
	good := "token-1"
	var bodies []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+good {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
	}))
	defer server.Close()
	made := 0
	tokens := func(_ context.Context, cluster string) (string, time.Time, error) {
		if cluster != "shop" {
			return "", time.Time{}, fmt.Errorf("asked for a token of %q", cluster)
		}
		made++
		return fmt.Sprint("token-", made), time.Now().Add(10 * time.Minute), nil
	}
	client := dial(t, server, tokens)
	send := func(body string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	send("a")
	send("b")
	if made != 1 {
		t.Errorf("%d tokens for two requests, want one", made)
	}
	good = "token-2"
	send("c")
	if made != 2 || strings.Join(bodies, "") != "abc" {
		t.Errorf("after %d tokens the server got %q, want abc", made, bodies)
	}
}

// A token that is about to end is not used for one more request.
func TestTokenIsRenewedInTime(t *testing.T) {
	made := 0
	b := &bearer{cluster: "shop", source: func(context.Context, string) (string, time.Time, error) {
		made++
		return fmt.Sprint("token-", made), time.Now().Add(renewBefore / 2), nil
	}}
	for range 2 {
		if _, err := b.current(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	if made != 2 {
		t.Errorf("%d tokens made, want a new one each time", made)
	}
}

func dial(t *testing.T, server *httptest.Server, tokens TokenSource) *http.Client {
	t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	config, err := Connect(map[string]any{"cluster": "shop", "endpoint": server.URL,
		"ca": base64.StdEncoding.EncodeToString(ca)}, tokens)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
