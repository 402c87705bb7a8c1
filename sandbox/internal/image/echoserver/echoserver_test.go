package echoserver

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The answer is the tutorial's proof of who has answered: its form is the real image's.
func TestAnswer(t *testing.T) {
	known := Pod{Hostname: "echo-1", Node: "ip-10-0-0-1", Name: "echo-1", Namespace: "apps", IP: "10.0.0.9"}
	for _, tc := range []struct {
		name, method, body string
		pod                Pod
	}{
		{name: "get", method: http.MethodGet, pod: known},
		{name: "post", method: http.MethodPost, body: "color=blue", pod: Pod{Hostname: "echo-1"}},
	} {
		r := httptest.NewRequest(tc.method, "/echoserver?a=1", strings.NewReader(tc.body))
		r.Host = "apps.example.com"
		r.Header.Set("User-Agent", "curl/8.0")
		r.Header.Add("X-Forwarded-For", "10.1.1.1")
		r.Header.Add("X-Forwarded-For", "10.2.2.2")
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{Port: 8080}))
		w := httptest.NewRecorder()
		Handler(tc.pod).ServeHTTP(w, r)

		golden := "testdata/" + tc.name + ".txt"
		if *update {
			if err := os.WriteFile(golden, w.Body.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Body.String(); got != string(want) {
			t.Errorf("%s: the answer differs from %s; go test -update shows how:\n%s", tc.name, golden, got)
		}
	}
}

// Told to stop, it refuses new connections at once and still answers the
// request that has begun to arrive.
func TestStop(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, Pod{}) }()

	body, send := io.Pipe()
	answered := make(chan error, 1)
	go func() {
		// The body waits for "100 Continue": once its first part is written, the request is being served.
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listener.Addr().String(), body)
		if err != nil {
			answered <- err
			return
		}
		req.Header.Set("Expect", "100-continue")
		resp, err := client.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	if _, err := send.Write([]byte("half ")); err != nil {
		t.Fatal(err)
	}
	stop()
	for deadline := time.Now().Add(5 * time.Second); ; {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			break
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("it still takes connections")
		}
	}
	if err := send.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("end: %v", err)
	}
}
