package project

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/problem"
)

// All who work on a stack must find the same state: who looks elsewhere finds
// none, and makes everything a second time. So the stack file may say where it
// is, and then nothing may say otherwise.

// place is where the state of a project is.
type place struct {
	url      string
	declared bool // by the stack file, and so to everybody
	own      bool // in the project's folder
}

// findState weighs what the stack file declares and what the caller gave. In a
// stack file that cannot be read only the caller can know.
func findState(dir, given string) (place, error) {
	declared, problems := spec.ReadState(os.DirFS(dir))
	err := problems.Err()
	switch {
	case err != nil && given != "":
		return place{url: given}, nil
	case err != nil:
		return place{}, err
	case declared.URL == "" && given == "":
		return place{url: ownPlace(dir), own: true}, nil
	case declared.URL == "":
		return place{url: given, own: state.SamePlace(given, ownPlace(dir))}, nil
	case given == "" || state.SamePlace(given, declared.URL):
		return place{url: declared.URL, declared: true, own: state.SamePlace(declared.URL, ownPlace(dir))}, nil
	}
	return place{}, &problem.Error{Kind: problem.Refused, At: declared.At, Op: "state",
		Err: fmt.Errorf("the file says that the state is in %s, and DROVER_STATE says %s: what one knows, the other would make again", declared.URL, given),
		Fix: "unset DROVER_STATE, or write its place here if all who work on these stacks use it; to rehearse elsewhere, work in a copy of the folder without this line"}
}

func ownPlace(dir string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, ownFolder))}).String()
}

// StateURL is where the state is, and whether the stack file says so to
// everybody. A place in the project's own folder needs no words.
func (p *Project) StateURL() (url string, known bool) {
	return p.place.url, p.place.declared || p.place.own
}

// second refuses to begin a stack elsewhere that the project's own folder has.
func (p *Project) second(ctx context.Context, stack string) error {
	if p.place.own {
		return nil
	}
	own, err := state.Open(ctx, ownPlace(p.dir))
	if err != nil {
		return err
	}
	list, err := own.List(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Stack == stack && s.Resources > 0 {
			return &problem.Error{Kind: problem.Refused, Op: "init stack " + stack,
				Err: fmt.Errorf("%s has a stack of this name with %d resources, and the state is in %s now: there would be two", ownFolder, s.Resources, p.place.url),
				Fix: "to move it there, see \"Another place\" in docs/state.md: drover state export, move " + ownFolder + "/stacks away, drover stack init, drover state import"}
		}
	}
	return nil
}
