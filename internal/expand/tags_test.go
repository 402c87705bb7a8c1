package expand_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/spec"
)

// What a self-managed group launches has the file's tags, its instances' names stay; a managed
// group's template stays as it is, so that EKS replaces no nodes.
func TestLaunchedTags(t *testing.T) {
	g := load(t, fstest.MapFS{spec.File: {Data: []byte(`name: shop
tags: {team: web, Name: other}
cluster: {version: "1.36"}
nodeGroups:
  own: {kind: self-managed, instanceType: m7i.large, capacity: 1}
  eks: {kind: managed, instanceType: m7i.large, capacity: 1, ami: ami-0123456789abcdef0}
`)}}, oregon)
	for _, r := range g.Resources {
		if r.Type != "AWS::EC2::LaunchTemplate" {
			continue
		}
		text := describe(g)
		i := strings.Index(text, r.String()+"\n")
		text, _, _ = strings.Cut(text[i:], "\nAWS::")
		if n := strings.Count(text, `{"Key":"team","Value":"web"}`); (n == 2) != (r.Name == "own") || strings.Contains(text, `"other"`) {
			t.Errorf("%s has the tag %d times:\n%s", r.Key, n, text)
		}
	}
}
