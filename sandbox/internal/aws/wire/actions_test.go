package wire

import (
	"net/http"
	"testing"
)

func TestJoin(t *testing.T) {
	one := func(*http.Request, Form) (any, error) { return nil, nil }
	if all := Join(map[string]Action{"A": one, "B": one}, map[string]Action{"C": one}); len(all) != 3 {
		t.Errorf("%d actions of 3", len(all))
	}
	defer func() {
		if recover() == nil {
			t.Error("the second of two actions of one name answers in the place of the first")
		}
	}()
	Join(map[string]Action{"A": one}, map[string]Action{"A": one})
}
