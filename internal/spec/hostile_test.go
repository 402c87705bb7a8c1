package spec_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/problem"
)

// load reads a project whose one manifest is given.
func load(manifest string) problem.List {
	_, problems := spec.Load(fstest.MapFS{
		spec.File: {Data: []byte("name: shop\ncluster: {version: \"1.36\"}\nworkloads: {w: {manifests: m.yaml}}\n")},
		"m.yaml":  {Data: []byte(manifest)},
	}, "dev")
	return problems
}

func configMap(data string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: " + data + "\n"
}

// bomb is levels of aliases, each nine times the one below.
func bomb(levels int) string {
	var b strings.Builder
	b.WriteString("x0: &x0 [a]\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&b, "x%d: &x%d [%s*x%d]\n", i, i, strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 8), i-1)
	}
	return b.String()
}

// What a file can do to a reader that trusts it: each is refused in no time, in
// one short message that says where and what to do.
func TestHostileFiles(t *testing.T) {
	mega := strings.Repeat("x", 1<<20)
	merges := "m0: &m0 {a: b}\n"
	for i := 1; i <= 9; i++ {
		merges += fmt.Sprintf("m%d: &m%d {<<: [%s*m%d]}\n", i, i, strings.Repeat(fmt.Sprintf("*m%d, ", i-1), 8), i-1)
	}
	for name, c := range map[string]struct{ manifest, says string }{
		"alias bomb":      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" + bomb(9), "aliases unfold to more than 100000 values"},
		"merge bomb":      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" + merges, "aliases unfold to more than 100000 values"},
		"deep":            {configMap(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), "m.yaml:4: data" + strings.Repeat("[0]", 1)},
		"NUL byte":        {configMap("{a: b}") + "# \x00", "m.yaml:5: not YAML: a NUL byte"},
		"control":         {configMap("{a: \"\x1b[2J\"}"), "m.yaml:4: not YAML: the control character 0x1b"},
		"bad UTF-8":       {configMap("{a: \xff}"), "m.yaml:4: not YAML: not UTF-8"},
		"unknown anchor":  {configMap("{a: b,\n  c: *nothing}"), "m.yaml:5: not YAML: unknown anchor 'nothing' referenced"},
		"big reference":   {configMap("{a: \"${cluster." + mega + "}\"}"), "there is no \"xxx"},
		"big name":        {strings.Replace(configMap("{}"), "name: a", "name: "+mega, 1), "is not a name for a ConfigMap"},
		"big key":         {"apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  ? " + mega + "\n  : {}\n  ? " + mega + "\n  : {}\n", "given twice"},
		"big ConfigMap":   {configMap("{a: " + mega + "x}"), "it holds 1024 KiB, and a ConfigMap 1024 at most"},
		"big Secret":      {strings.Replace(configMap("{a: "+mega+mega+"}"), "ConfigMap", "Secret", 1), "it holds 1536 KiB, and a Secret 1024 at most"},
		"big object":      {strings.Replace(configMap("{a: "+mega+mega+"}"), "ConfigMap", "Thing", 1), "it has 2048 KiB, and Kubernetes stores objects of 1536 at most"},
		"big file":        {configMap("{a: b}") + strings.Repeat("#\n", 5<<20), "m.yaml has 10 MB; 8 are read at most"},
		"empty reference": {configMap("{a: \"${config.}\"}"), "has no such config"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := load(c.manifest)
			if len(problems) == 0 || !strings.Contains(problems.Error(), c.says) {
				t.Fatalf("have %.500v, want %s", problems, c.says)
			}
			var text strings.Builder
			problem.Print(&text, problems.Err())
			if text.Len() > 4000 {
				t.Errorf("the message has %d characters: %.300s", text.Len(), text.String())
			}
			for _, p := range problems {
				if p.Fix == "" || p.At.File == "" {
					t.Errorf("no remedy or no place: %.300v", p)
				}
			}
		})
	}
}

// A stack file that is there and is none is not answered with how to make one.
func TestStackFileThatIsNone(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"a folder":  {spec.File + "/x": {Data: []byte("a")}},
		"too large": {spec.File: {Data: []byte(strings.Repeat("#\n", 5<<20))}},
		"missing":   {},
	} {
		_, problems := spec.Load(files, "dev")
		if len(problems) != 1 || strings.Contains(problems[0].Fix, "drover new") != (name == "missing") {
			t.Errorf("%s: %v, fix %q", name, problems, problems[0].Fix)
		}
	}
}

// A few aliases are what they are for.
func TestAliasesAreAllowed(t *testing.T) {
	if problems := load(configMap("{a: &a b, c: *a}") + "---\n" + strings.Replace(configMap("{}"), "name: a", "name: b, labels: &l {x: y}, annotations: *l", 1)); problems != nil {
		t.Error(problems)
	}
}

// A secret in a file with mistakes is not quoted in what is said of them.
func TestMistakesDoNotQuoteSecrets(t *testing.T) {
	problems := load(`apiVersion: v1
kind: Secret
metadata: {name: a, namespace: !secret planted}
data: {a: planted, b: 1e999, c: [{d: "${cluster.planted"}], planted: &x {y: *x}}
stringData: {pin: 123456789012345678901234567890}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: !secret planted}
---
apiVersion: v1
kind: Secret
metadata: {name: b}
data: {<<: planted, <<: 123456789012}
`)
	text := problems.Error()
	for _, leak := range []string{"\"planted", "planted\"", "1e999", "123456789012"} {
		if strings.Contains(text, leak) {
			t.Errorf("%s is quoted:\n%s", leak, text)
		}
	}
	if !strings.Contains(text, "[secret]") {
		t.Error(text)
	}
}
