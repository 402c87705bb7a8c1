package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// recipe is the part of .goreleaser.yaml that the rest of the repository must
// agree with.
type recipe struct {
	Version int
	Builds  []struct {
		ID, Dir, Main string
		Tags, Ldflags []string
	}
	Archives, Nfpms []struct{ IDs []string }
	Dockers         []struct{ Dockerfile string }
}

// The release recipe builds what is there, by the flags of the Makefile.
func TestReleaseRecipe(t *testing.T) {
	var r recipe
	if err := yaml.Unmarshal([]byte(read(t, "../.goreleaser.yaml")), &r); err != nil {
		t.Fatal(err)
	}
	makefile := read(t, "../Makefile")
	var ids []string
	for _, b := range r.Builds {
		ids = append(ids, b.ID)
		if _, err := os.Stat(filepath.Join("..", b.Dir, b.Main)); err != nil {
			t.Error(err)
		}
		tags := strings.Join(b.Tags, ",")
		if b.ID == "drover" && !strings.Contains(makefile, "-tags "+tags+" ") {
			t.Errorf("%s has tags %s, the Makefile others", b.ID, tags)
		}
		if version := regexp.MustCompile(`gitVersion=(v[0-9.]+)`).FindStringSubmatch(strings.Join(b.Ldflags, " ")); version != nil &&
			!strings.Contains(makefile, "KUBERNETES := "+version[1]+"\n") {
			t.Errorf("%s is built with Kubernetes %s, the Makefile has another", b.ID, version[1])
		}
	}
	for _, packed := range slices.Concat(r.Archives, r.Nfpms) {
		for _, id := range packed.IDs {
			if !slices.Contains(ids, id) {
				t.Errorf("%s is packed and not built", id)
			}
		}
	}
	for _, d := range r.Dockers {
		if _, err := os.Stat(filepath.Join("..", d.Dockerfile)); err != nil {
			t.Error(err)
		}
	}
}

// "go install …/cmd/drover@latest" refuses a module with these directives.
func TestModuleCanBeInstalled(t *testing.T) {
	if m := regexp.MustCompile(`(?m)^(replace|exclude)\b.*`).FindString(read(t, "../go.mod")); m != "" {
		t.Errorf("go.mod has %q", m)
	}
}
