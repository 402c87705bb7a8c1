package spec_test

import (
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
)

// What Paste writes is read back as just the properties that were given, whatever
// YAML or references would make of them.
func TestPasteReadsBack(t *testing.T) {
	tricky := plan.Props{
		"Reference": "${cluster.name} and $${x} ${", "Number": "1.30", "Yes": "yes", "Null": "null", "Date": "2012-10-17", "Empty": "",
		"Lines": "#!/bin/sh\necho ${HOME}\n", "Colon": "a: b", "Int": 1e6, "Float": 0.25, "Bool": true, "Spaces": "  x ", "No": false,
		"List": []any{"a", 1.0, map[string]any{"Key": "k", "Value": "on"}}, "Map": map[string]any{"1": "one", "a/b": map[string]any{}}, "Unicode": "é\u2028",
	}
	for typ, head := range map[string]plan.Props{
		"AWS::Aa::Bb":  {},
		"v1/ConfigMap": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "web", "namespace": "default"}},
	} {
		props := plan.Props{}
		for k, v := range tricky {
			props[k] = v
		}
		for k, v := range head {
			props[k] = v
		}
		raw, err := spec.Imported{Type: typ, ID: "default/web"}.Raw()
		if err != nil {
			t.Fatal(err)
		}
		text, err := spec.Paste(raw, props)
		if err != nil {
			t.Fatal(err)
		}
		s, problems := spec.Load(fstest.MapFS{"drover.yaml": {Data: []byte("name: shop\ncluster: {version: \"1.36\"}\n" + text)}}, "dev")
		if err := problems.Err(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		r := s.Resources[0]
		got := r.Properties
		if r.Object != nil {
			got = r.Object.Body
		}
		if r.Name != "web" || !r.Options.Protect || !reflect.DeepEqual(got, props) {
			t.Errorf("%s, have\n%v\nwant\n%v\nthrough\n%s", typ, got, props, text)
		}
	}
}

func TestNameOfImported(t *testing.T) {
	for id, want := range map[string]string{
		"orders": "orders", "https://sqs.us-west-2.amazonaws.com/111122223333/orders": "orders", "arn:aws:sns:us-west-2:1:topic": "topic",
		"cluster|web/3f2b": "f2b", "vpc-0a1b": "vpc-0a1b", "a b": "a-b", "/aws/lambda/": "lambda", "123": "imported",
	} {
		if r, err := (spec.Imported{Type: "AWS::Aa::Bb", ID: id}).Raw(); err != nil || r.Name != want {
			t.Errorf("%s: %q %v, want %s", id, r.Name, err, want)
		}
	}
}
