package value

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// A secret shows in no form in which AWS or Kubernetes repeat it.
func TestVeil(t *testing.T) {
	var veil Veil
	const pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
	veil.Learn(map[string]any{"a": Hide(`hun"ter 2/`), "data": Hide(base64.StdEncoding.EncodeToString([]byte("swordfish"))),
		"key": Hide(pem), "deep": []any{Hide(map[string]any{"x": "Tr0ub4dor"})}, "url": Text("u:", Hide("p4ssw0rd"))})
	for _, leak := range []string{
		`Value 'hun"ter 2/' is wrong`, fmt.Sprintf("%q", `hun"ter 2/`), "https://u:hun%22ter+2%2F@x", `{"a":"hun\"ter 2/"}`,
		base64.StdEncoding.EncodeToString([]byte(`hun"ter 2/`)), "Invalid value: swordfish", "line MIIEvQIBADANBgkq of it",
		strings.ReplaceAll(pem, "\n", `\n`), "Tr0ub4dor", "p4ssw0rd",
	} {
		got := veil.Text(leak)
		for _, word := range []string{"hun", "swordfish", "MIIEvQ", "Tr0ub", "p4ss", base64.StdEncoding.EncodeToString([]byte(`hun"ter 2/`))} {
			if strings.Contains(got, word) {
				t.Errorf("%s is shown as %s", leak, got)
			}
		}
	}
	if got := veil.Text("nothing to hide"); got != "nothing to hide" {
		t.Error(got)
	}
}

// What the provider says of an object is as secret as what it was made from.
func TestTaint(t *testing.T) {
	inputs := map[string]any{"Password": Hide("hunter2"), "List": []any{"a", Hide("s3cret")}, "Name": "db", "Env": Hide(map[string]any{"K": "zz"})}
	outputs := map[string]any{"Password": "HUNTER2 as AWS writes it", "List": []any{"a", "s3cret"}, "Name": "db",
		"Url": "postgres://u:hunter2@db", "Env": map[string]any{"K": "zz"}, "Port": 5432.0}
	got := Taint(outputs, inputs)
	want := map[string]any{"Password": Hide("HUNTER2 as AWS writes it"), "List": []any{"a", Hide("s3cret")}, "Name": "db",
		"Url": Hide("postgres://u:hunter2@db"), "Env": map[string]any{"K": Hide("zz")}, "Port": 5432.0}
	if !Equal(got, want) {
		t.Errorf("have %#v", got)
	}
}

func TestHideAt(t *testing.T) {
	props := map[string]any{"A": map[string]any{"B": []any{map[string]any{"C": "x", "N": 1.0}}}, "D": "open", "E": "y"}
	got := HideAt(props, []string{"A/B/*/C", "E", "missing/x"})
	want := map[string]any{"A": map[string]any{"B": []any{map[string]any{"C": Hide("x"), "N": 1.0}}}, "D": "open", "E": Hide("y")}
	if !Equal(got, want) || props["E"] != "y" {
		t.Errorf("have %#v of %#v", got, props)
	}
}
