package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

var released = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)

// libraryUsage tells of the flag that both commands have which write a program.
const libraryUsage = "the program is built with the library in `FOLDER`, Drover's source (default: this drover's version; of one that was built from source, that source, if it is around)"

// library is what a program is built with that this drover writes: the library's
// same version; of a drover that was built from source, the source around the
// working directory, or the folder that is named.
func library(env Env, folder string) (project.Library, error) {
	if folder != "" {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(env.Dir, folder)
		}
		return project.Library{Dir: folder}, nil
	}
	if v := version(); released.MatchString(v) {
		return project.Library{Version: v}, nil
	}
	for dir := env.Dir; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(mod, []byte("module github.com/droverhq/drover\n")) {
			return project.Library{Dir: dir}, nil
		}
		if dir == filepath.Dir(dir) {
			return project.Library{}, &problem.Error{Kind: problem.Usage, Err: errors.New("this drover was built from source, and no version of its library is known"),
				Fix: "--library FOLDER, with the source that it was built from"}
		}
	}
}
