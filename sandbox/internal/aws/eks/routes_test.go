package eks

import (
	"net/http/httptest"
	"strings"
	"testing"
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
