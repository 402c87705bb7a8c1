package eks

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Each route is found by what it is for: none stands behind another, and faults
// and answers go by the same table.
func TestOperationOfEachRoute(t *testing.T) {
	s := &Service{}
	for _, one := range s.routes() {
		path := "/" + strings.ReplaceAll(one.Path, "*", "arn%3Aaws%2Fweb")
		if got := s.Operation(httptest.NewRequest(one.Method, path, nil)); got != one.Operation {
			t.Errorf("%s %s is %s, want %s", one.Method, path, got, one.Operation)
		}
	}
	if got := s.Operation(httptest.NewRequest("PATCH", "/clusters/a", nil)); got != "PATCH /clusters/a" {
		t.Errorf("what is not implemented is called %s", got)
	}
}

// A field that no operation has is refused, wherever it is sent, and not passed over:
// be it that the handler reads a body and does not know it, or that it reads none.
func TestEachRouteRefusesABodyThatItDoesNotRead(t *testing.T) {
	store, err := region.Open(filepath.Join(t.TempDir(), "state.json"), "us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	err = store.Update(func(st *region.State) error {
		st.Clusters["web"] = &region.Cluster{Name: "web", Status: "ACTIVE"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{store: store, now: func() time.Time { return now }}
	for _, one := range s.routes() {
		path := "/" + strings.ReplaceAll(one.Path, "*", "web")
		_, err := s.Serve(httptest.NewRequest(one.Method, path, strings.NewReader(`{"colour":"red"}`)))
		var answer *region.Error
		if !errors.As(err, &answer) || !strings.Contains(answer.Message, "colour") || !strings.Contains(answer.Message, "the sandbox does not implement") {
			t.Errorf("%s: %v", one.Operation, err)
		}
	}
	if _, err := s.Serve(httptest.NewRequest("GET", "/clusters/web", strings.NewReader(" {}\n"))); err != nil {
		t.Errorf("a body that says nothing: %v", err)
	}
}
