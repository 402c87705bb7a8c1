package drover_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The vocabulary rests on the standard library alone, and the product never
// pulls in Kubernetes itself: it would take minutes to build.
func TestDependencies(t *testing.T) {
	const own = "github.com/droverhq/drover/"
	for _, pkg := range []string{"./plan", "./event", "./problem", "./value"} {
		for _, dep := range deps(t, pkg) {
			if strings.Contains(dep, ".") && !strings.HasPrefix(dep, own) {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
	for _, dep := range deps(t, ".") { // a user's program compiles in seconds
		if strings.Contains(dep, ".") && dep != own[:len(own)-1] && dep != own+"internal/wire" {
			t.Errorf("the root depends on %s", dep)
		}
	}
	for _, dep := range deps(t, "./cmd/drover") {
		if strings.HasPrefix(dep, "k8s.io/kubernetes") || strings.HasPrefix(dep, own+"sandbox") {
			t.Errorf("drover depends on %s", dep)
		}
	}
}

// The modules for other tools use the library as anybody may, and nothing of
// theirs is in Drover's own module.
func TestModulesForOtherTools(t *testing.T) {
	for _, folder := range []string{"pulumi", "terraform"} {
		files := sources(t, folder)
		if len(files) == 0 {
			t.Errorf("%s has no Go files", folder)
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				if strings.Contains(i.Path.Value, "github.com/droverhq/drover/internal") {
					t.Errorf("%s uses %s: the public library has to be enough", name, i.Path.Value)
				}
			}
		}
	}
	requirements, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, theirs := range []string{"github.com/pulumi/", "github.com/hashicorp/terraform"} {
		if strings.Contains(string(requirements), theirs) {
			t.Errorf("go.mod requires %s: that belongs in the module for it", theirs)
		}
	}
}

// sources are the Go files in the folder, and in those within it.
func sources(t *testing.T, folder string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".go" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func deps(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
