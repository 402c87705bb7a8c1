package ready

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A server that answers, but not yet with 200, is waited for.
func TestAwaitTakesNothingButOK(t *testing.T) {
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	waited := 0
	if err := Await(t.Context(), Client(ca), server.URL, func() { waited++ }); err != nil {
		t.Fatal(err)
	}
	if asked != 3 || waited != 2 {
		t.Errorf("asked %d times and waited %d times, want 3 and 2", asked, waited)
	}
}

// Whoever answers under another authority's certificate is somebody else.
func TestAwaitKnowsItsServer(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	late := errors.New("too late")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, late)
	defer cancel()
	if err := Await(ctx, Client(nil), server.URL, nil); !errors.Is(err, late) {
		t.Errorf("got %v, want the cause of the context's end", err)
	}
}
