package spec_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/droverhq/drover/examples"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/problem"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each archive is a project with mistakes, and under "want" exactly what the
// user is told: every mistake once, at its place, with a remedy.
func TestMistakes(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { checkMistakes(t, path) })
	}
}

func checkMistakes(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	project, want := make(fstest.MapFS), ""
	var files []txtar.File
	for _, f := range archive.Files {
		if f.Name == "want" {
			want = string(f.Data)
			continue
		}
		project[f.Name] = &fstest.MapFile{Data: f.Data}
		files = append(files, f)
	}
	_, problems := spec.Load(project, "dev")
	for _, p := range problems {
		if p.Kind != problem.Usage || p.At.File == "" || p.Fix == "" {
			t.Errorf("kind %d, place %s, remedy %q: %v", p.Kind, p.At, p.Fix, p)
		}
	}
	var got strings.Builder
	problem.Print(&got, problems)
	if *update {
		files = append(files, txtar.File{Name: "want", Data: []byte(got.String())})
		archive.Files = files
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got.String() != want {
		t.Errorf("-- have --\n%s-- want --\n%s", got.String(), want)
	}
}

// What the user writes most must be without problems, and mean what it says.
func TestExample(t *testing.T) {
	project, err := fs.Sub(examples.FS, "migrate-nodegroups")
	if err != nil {
		t.Fatal(err)
	}
	s, problems := spec.Load(project, "dev")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	web := s.NodeGroups[1]
	if web.Name != "web" || web.Version != "1.35" || web.Capacity != (spec.Capacity{Min: 3, Desired: 3, Max: 10}) ||
		fmt.Sprint(web.Taints) != "[nginx=true:NoSchedule]" {
		t.Errorf("web is %+v", web)
	}
	if standard := s.NodeGroups[0]; standard.Version != "1.36" || standard.Capacity != (spec.Capacity{Min: 3, Desired: 3, Max: 3}) {
		t.Errorf("standard is %+v, want the cluster's version", standard)
	}
}

// A stack can be made in a project whose file has mistakes elsewhere, but not
// in one without a good name.
func TestReadName(t *testing.T) {
	for _, c := range []struct{ file, name, problem string }{
		{"name: shop\ncluster: 5\n", "shop", ""},
		{"name: Shop\n", "Shop", `drover.yaml:1: name: "Shop" is not a name for a project, its cluster and their role`},
		{"cluster: {}\n", "", "drover.yaml:1: name: is missing"},
		{"", "", "drover.yaml: the file is empty"},
	} {
		name, problems := spec.ReadName(fstest.MapFS{spec.File: {Data: []byte(c.file)}})
		if name != c.name || problems.Error() != c.problem {
			t.Errorf("%q: have %q, %v, want %q, %s", c.file, name, problems, c.name, c.problem)
		}
	}
}

// Where the state is must be known although the file has mistakes elsewhere. One
// that cannot be read is only believed to say nothing if it lacks the word.
func TestReadState(t *testing.T) {
	for _, c := range []struct{ file, url, problem string }{
		{"name: shop\nstate: s3://b/p?region=us-west-2\ncluster: 5\n", "s3://b/p?region=us-west-2", ""},
		{"state: gs://b\n", "gs://b", ""},
		{"state: azblob://container/p\n", "azblob://container/p", ""},
		{"state: file:///srv/drover\n", "file:///srv/drover", ""},
		{"name: shop\n", "", ""},
		{"", "", ""},
		{"name: [\n", "", ""},
		{"name: [\nstate: s3://b\n", "", "drover.yaml:3: not YAML: did not find expected ',' or ']'"},
		{"state: folder\n", "", `drover.yaml:1: state: "folder" does not say where the state is`},
		{"state: file://folder\n", "", `drover.yaml:1: state: "file://folder" does not say where the state is`},
		{"state: file://host/folder\n", "", `drover.yaml:1: state: "file://host/folder" does not say where the state is`},
		{"state: mem://\n", "", `drover.yaml:1: state: "mem://" does not say where the state is`},
		{"state: s3://${config.bucket}\n", "", "drover.yaml:1: state: references cannot stand here: the state is looked for before anything else is read"},
		{"state: !secret s3://b\n", "", "drover.yaml:1: state: a secret cannot stand here: the value is shown"},
	} {
		have, problems := spec.ReadState(fstest.MapFS{spec.File: {Data: []byte(c.file)}})
		if have.URL != c.url || problems.Error() != c.problem {
			t.Errorf("%q: have %q, %v, want %q, %s", c.file, have.URL, problems, c.url, c.problem)
		}
	}
}

// No bytes in a file make Load panic or hang, and what is refused is refused
// with a remedy.
func TestAnyFile(t *testing.T) {
	project, err := fs.Sub(examples.FS, "migrate-nodegroups")
	if err != nil {
		t.Fatal(err)
	}
	good, err := fs.ReadFile(project, spec.File)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(good), "\n")
	rapid.Check(t, func(t *rapid.T) {
		mutant := append([]string{}, lines...)
		for range rapid.IntRange(1, 3).Draw(t, "edits") {
			i := rapid.IntRange(0, len(mutant)-1).Draw(t, "line")
			mutant[i] = rapid.SampledFrom([]string{
				"", mutant[i] + mutant[i], "  " + mutant[i], strings.Replace(mutant[i], ":", ": [", 1),
				strings.Replace(mutant[i], "{", "&a {<<: *a, ", 1), "x: &x [*x]\n", "- \n", "? {a: b}\n: c\n", "~: ~\n", "\t\n",
				strings.Replace(mutant[i], "${", "${${", 1), "!!binary " + mutant[i], "<<: {<<: {}}\n",
			}).Draw(t, "edit")
		}
		manifest := &fstest.MapFile{Data: []byte(strings.Join(mutant, ""))}
		_, problems := spec.Load(fstest.MapFS{spec.File: manifest, "base": manifest, "nginx": manifest, "echoserver": manifest}, "dev")
		for _, p := range problems {
			if p.Fix == "" || p.At.File == "" {
				t.Errorf("no remedy or no place: %v", p)
			}
		}
	})
}

// Config values are set without touching the rest of the file.
func TestSetConfig(t *testing.T) {
	for _, c := range []struct{ old, want string }{
		{"", "config:\n  aws:region: us-west-2\n"},
		{"config:\n", "config:\n  aws:region: us-west-2\n"},
		{"# mine\nconfig:\n  a: 1 # one\n", "# mine\nconfig:\n  a: 1 # one\n  aws:region: us-west-2\n"},
		{"config:\n  aws:region: eu-west-1\n  b: 2\n", "config:\n  aws:region: us-west-2\n  b: 2\n"},
	} {
		got, err := spec.SetConfig([]byte(c.old), "aws:region", "us-west-2")
		if err != nil || string(got) != c.want {
			t.Errorf("set in %q:\nhave %q, %v\nwant %q", c.old, got, err, c.want)
		}
	}
	if _, err := spec.SetConfig([]byte("config: [1]\n"), "a", "b"); err == nil {
		t.Error("a list was taken for a mapping")
	}
	text, err := spec.SetConfig(nil, "count", "010")
	if err != nil {
		t.Fatal(err)
	}
	config, problems := spec.ReadConfig(fstest.MapFS{"drover.dev.yaml": {Data: text}}, "dev")
	if config["count"] != "010" || problems != nil {
		t.Errorf("read back %v, %v", config, problems)
	}
}
